//! Lines that a worker prints, and the requests that they name.

use std::thread;

use crate::support::{Host, eventually, logged, tests};

tests!(
    a_printed_line_names_the_request_of_the_only_call,
    a_line_that_may_be_of_either_of_two_calls_names_no_request,
);

const PLUGIN: &str = r#"plugin="hostile" version="1.0.0""#;

/// The line that contains `what`, once it is there.
fn line(what: &str) -> String {
    eventually("the printed line", || logged(what).pop())
}

fn a_printed_line_names_the_request_of_the_only_call() {
    let host = Host::new();
    for id in ["printed-1", "printed-2"] {
        // It waits for a while before it returns, so that the line is read meanwhile.
        let text = format!("said for {id}.");
        host.ask_for(id, &format!("say {text}")).unwrap();
        let line = line(&text);
        assert!(line.contains(&format!("request_id=\"{id}\"")), "{line}");
        assert!(line.contains(PLUGIN) && line.contains("plugbay::plugin::output"), "{line}");
    }
    // A call without a request has no id to name, and gets no other's.
    host.tell("say said for nothing.");
    assert!(!line("said for nothing.").contains("request_id"));
}

fn a_line_that_may_be_of_either_of_two_calls_names_no_request() {
    let host = Host::new();
    let before = logged("both are here").len();
    thread::scope(|scope| {
        for id in ["either-1", "either-2"] {
            let host = &host;
            scope.spawn(move || host.ask_for(id, "meet").unwrap());
        }
    });
    let lines = eventually("both lines", || {
        let lines = logged("both are here");
        (lines.len() == before + 2).then_some(lines)
    });
    for line in &lines[before..] {
        assert!(line.contains(PLUGIN) && !line.contains("request_id"), "{line}");
    }
}
