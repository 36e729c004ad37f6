use super::*;

fn router(routes: &[(&str, &[&str], &'static str)]) -> Router<&'static str> {
    let mut made = Router::new();
    for (pattern, methods, value) in routes {
        let route = Route::new(*pattern, *value).on(methods.iter().copied());
        made.insert(route).expect("routes that can stand beside each other");
    }
    made
}

/// What serves a request, in one line.
fn found(router: &Router<&'static str>, method: &str, path: &str) -> String {
    match router.find(method, path) {
        Match::Found(Found { route, params, head }) => {
            let params: Vec<String> = params.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!("{}{}{}", route.value, params.concat(), if head { " head" } else { "" })
        }
        Match::MethodNotAllowed { allow } => format!("405 {}", allow.join(" ")),
        Match::NotFound => "404".to_owned(),
    }
}

#[test]
fn a_table_of_requests() {
    let router = router(&[
        ("/a", &["GET"], "get a"),
        ("/a", &["POST", "PUT"], "post a"),
        ("/a/{id}", &[], "any"),
        ("/a/new", &["GET"], "new"),
        ("/files/{*rest}", &["GET"], "files"),
        ("/files/index", &["GET"], "index"),
        ("/x{{y}}", &["PUT"], "braces"),
        ("/caf%c3%a9", &["GET"], "café"),
    ]);
    for (method, path, expected) in [
        ("GET", "/a", "get a"),
        ("HEAD", "/a", "get a head"),
        ("PUT", "/a", "post a"),
        ("DELETE", "/a", "405 GET HEAD OPTIONS POST PUT"),
        ("OPTIONS", "/a", "405 GET HEAD OPTIONS POST PUT"),
        ("GET", "/a/new", "new"),
        ("DELETE", "/a/new", "405 GET HEAD OPTIONS"),
        ("PATCH", "/a/1%2F2%20%C3%A9", "any id=1/2 é"),
        ("HEAD", "/a/1", "any id=1 head"),
        ("GET", "/files/b/c", "files rest=b/c"),
        ("GET", "/files/index", "index"),
        ("GET", "/files/", "404"),
        ("PUT", "/x{y}", "braces"),
        ("PUT", "/x%7By%7d", "braces"),
        ("GET", "/caf%C3%A9", "café"),
        ("GET", "/café", "café"),
        ("GET", "/%61/ne%77", "new"),
        ("GET", "/b/../a/./new", "new"),
        ("GET", "/a/%2e%2e/a/new", "new"),
        ("PATCH", "/a/50%25%2541", "any id=50%%41"),
        ("PATCH", "/a/%ff", "any id=\u{fffd}"),
        ("GET", "/files/b%2Fc/../d", "files rest=d"),
        ("get", "/a", "405 GET HEAD OPTIONS POST PUT"),
        ("GET", "/a/", "404"),
        ("GET", "/", "404"),
        ("GET", "", "404"),
    ] {
        assert_eq!(found(&router, method, path), expected, "{method} {path}");
    }
}

#[test]
fn two_routes_of_a_pattern_share_no_method() {
    let mut router = router(&[("/a", &["GET", "PUT"], "first")]);
    for methods in [&["PUT"][..], &[]] {
        let route = Route::new("/a", "second").on(methods.iter().copied());
        assert_eq!(router.taken(&route).map(|it| it.value), Some("first"));
        let refused = router.insert(route).expect_err("PUT is taken");
        assert_eq!(
            refused.to_string(),
            "route /a: expected no other route for the same methods, found one"
        );
    }
    let same = Route::new("/%61", "second").on(["GET"]);
    assert!(router.insert(same).is_err(), "the same path in another form");
    assert_eq!(router.routes().count(), 1);
}

#[test]
fn a_refused_pattern_leaves_the_router_as_it_was() {
    let mut router = router(&[("/a/{id}", &["GET"], "first")]);
    for (pattern, message) in [
        ("/a/{name}", "a path of another shape than /a/{id}"),
        ("/a/{*rest}", "a path of another shape than /a/{id}"),
        ("/{a}{b}", "one parameter between two slashes"),
        ("/b/{", "named parameters in matching braces"),
        ("/{*rest}/b", "{*rest} at the end of the path only"),
    ] {
        let refused = router.insert(Route::new(pattern, "second")).expect_err("a bad pattern");
        assert_eq!(refused.to_string(), format!("route {pattern}: expected {message}"));
    }
    assert_eq!(found(&router, "GET", "/a/1"), "first id=1");
    assert_eq!(router.routes().count(), 1);
}

#[test]
fn a_shape_knows_no_names() {
    assert!(same_shape("/a/{id}/b/{*rest}", "/a/{name}/b/{*all}"));
    assert!(!same_shape("/b/{*rest}", "/b/{rest}"));
    // Doubled braces are letters.
    assert!(!same_shape("/c/{{d}}", "/c/{{e}}"));
    let router = router(&[("/a/{id}", &["GET"], "a")]);
    assert_eq!(router.of_pattern("/a/{name}").count(), 0);
    assert_eq!(router.of_pattern("/a/{id}").count(), 1);
}

#[test]
fn insertions_are_undone_in_reverse() {
    let mut router = router(&[("/a/{id}", &["GET"], "get"), ("/b/{*rest}", &[], "rest")]);
    let patterns = ["/a/{id}", "/a/{id}/b", "/c", "/caf%C3%A9"];
    for pattern in patterns {
        router.insert(Route::new(pattern, "new").on(["PUT"])).expect("a free pattern");
    }
    for pattern in patterns.iter().rev() {
        assert_eq!(router.undo_insert(pattern).map(|it| it.value), Some("new"), "{pattern}");
    }
    assert_eq!(router.undo_insert("/nowhere"), None);
    for (path, expected) in [("/a/1", "get id=1"), ("/a/1/b", "404"), ("/c", "404")] {
        assert_eq!(found(&router, "GET", path), expected);
    }
    assert_eq!(found(&router, "PUT", "/a/1"), "405 GET HEAD OPTIONS");
    assert_eq!(router.routes().count(), 2);
    // What was undone can be inserted again.
    router.insert(Route::new("/a/{id}/b", "again")).expect("a free pattern");
    assert_eq!(found(&router, "GET", "/a/1/b"), "again id=1");
}
