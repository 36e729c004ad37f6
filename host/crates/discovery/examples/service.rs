//! A service that finds others, and is found by them, through a directory alone.
//!
//! ```text
//! cargo run -p plugbay-discovery --example service -- --name orders --directory http://127.0.0.1:8500
//! ```
//!
//! It serves `/` (its port, after `--delay` milliseconds), `/readyz`, and `/answers` (how often it was
//! answered by which endpoint, if it calls a service by `--call`). On SIGTERM it leaves the directory,
//! waits for `--grace` milliseconds, and ends when its last call has ended.
//!
//! Where the directory is: by `--directory`, or the environment variable `PLUGBAY_DIRECTORY`, or the file
//! `/etc/plugbay/directory`, or the SRV records of `--domain`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use plugbay_discovery::Registration;
use plugbay_discovery::client::bootstrap::Bootstrap;
use plugbay_discovery::client::{Client, HttpClient};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// How often this process was answered, by the port of the endpoint.
type Answers = Arc<Mutex<BTreeMap<String, u64>>>;

struct Options {
    name: String,
    delay: Duration,
    grace: Duration,
    call: Option<String>,
    bootstrap: Bootstrap,
}

impl Options {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            name: "orders".into(),
            delay: Duration::ZERO,
            grace: Duration::from_secs(2),
            call: None,
            bootstrap: Bootstrap::default().environment().file("/etc/plugbay/directory"),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let millis = || value.parse().map(Duration::from_millis);
            match option.as_str() {
                "--name" => options.name = value,
                "--delay" => options.delay = millis()?,
                "--grace" => options.grace = millis()?,
                "--call" => options.call = Some(value),
                "--directory" => options.bootstrap = options.bootstrap.explicit(&value),
                "--domain" => {
                    let name = format!("_plugbay-directory._tcp.{value}");
                    options.bootstrap = options.bootstrap.dns(&name);
                }
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let client = Client::builder().bootstrap(options.bootstrap).build().await?;
    let answers = Answers::default();
    let app = app(&client, &answers, address.port(), options.delay);

    let port = NonZeroU16::new(address.port()).ok_or("the system gave port 0")?;
    let host = address.ip().to_string().parse()?;
    let mut registration = Registration::new(options.name.parse()?, host, port);
    registration.ttl = Duration::from_secs(3);
    let _registered = client.register(registration).await?;
    if let Some(service) = options.call {
        call(&client, &service, &answers);
    }
    writeln!(std::io::stdout(), "listening on {port}")?;

    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
            client.leave(options.grace).await;
        })
        .await?;
    Ok(())
}

fn app(client: &Client, answers: &Answers, port: u16, delay: Duration) -> Router {
    let client = client.clone();
    let answers = Arc::clone(answers);
    let work = async move || {
        tokio::time::sleep(delay).await;
        port.to_string()
    };
    let ready = async move || {
        if client.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let count = async move || Json(answers.lock().unwrap_or_else(PoisonError::into_inner).clone());
    Router::new()
        .route("/", get(work).post(work))
        .route("/readyz", get(ready))
        .route("/answers", get(count))
}

/// Calls a service, four calls at a time, for as long as the process runs.
fn call(client: &Client, service: &str, answers: &Answers) {
    let http = HttpClient::new(client.clone(), reqwest::Client::new());
    for _ in 0..4 {
        let (http, answers) = (http.clone(), Arc::clone(answers));
        let url = format!("http://{service}/");
        tokio::spawn(async move {
            loop {
                let answered_by = match http.get(&url).await {
                    Ok(response) => response.text().await.unwrap_or_else(|_| "failed".into()),
                    Err(error) => error.reason().to_owned(),
                };
                *answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(answered_by)
                    .or_default() += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}
