//! A router that is replaced while requests are served: each request sees one whole set.
//!
//! `cargo run -p plugbay-registry --example router`

use plugbay_registry::Swap;
use plugbay_registry::router::{Match, Route, RouteError, Router};

type Handler = fn(&[(String, String)]) -> String;

fn main() -> Result<(), RouteError> {
    let mut first = Router::<Handler>::new();
    first.insert(Route::new("/hello/{name}", hello as Handler).on(["GET"]))?;
    let routes = Swap::new(first);
    println!("{}", answer(&routes, "GET", "/hello/Ada%20L"));
    println!("{}", answer(&routes, "POST", "/hello/Ada"));
    println!("{}", answer(&routes, "GET", "/version"));

    // The next set is built whole, and then takes the place of the first.
    let mut second = Router::clone(&routes.load());
    second.insert(Route::new("/version", (|_| "2".to_owned()) as Handler))?;
    routes.store(second.into());
    println!("{}", answer(&routes, "GET", "/version"));
    Ok(())
}

fn hello(params: &[(String, String)]) -> String {
    let name = params.first().map_or("you", |(_, name)| name);
    format!("hello, {name}")
}

fn answer(routes: &Swap<Router<Handler>>, method: &str, path: &str) -> String {
    match routes.load().find(method, path) {
        Match::Found(found) => format!("200 {}", (found.route.value)(&found.params)),
        Match::MethodNotAllowed { allow } => format!("405 Allow: {}", allow.join(", ")),
        Match::NotFound => "404".to_owned(),
    }
}
