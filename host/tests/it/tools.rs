//! The example `tools` as a client of the Model Context Protocol meets it: a process, stdin and stdout.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// The longest wait for a message.
const SOON: Duration = Duration::from_secs(30);

/// A tool whose description has eleven bytes.
fn tool(description: &str) -> Vec<u8> {
    assert_eq!(description.len(), "DESCRIPTION".len());
    let wat = include_str!("../../examples/tools/guest.wat")
        .replace("\"DESCRIPTION\"", &format!("{description:?}"));
    plugbay_fixtures::component(include_str!("../../examples/tools/tool.wit"), "tool-plugin", &wat)
}

/// Puts a file into the folder at once.
fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let half = folder.join(format!(".{name}"));
    std::fs::write(&half, bytes).unwrap();
    std::fs::rename(half, folder.join(name)).unwrap();
}

struct Server {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let tests = std::env::current_exe().unwrap();
        let program = tests.parent().unwrap().parent().unwrap().join("examples/tools");
        let mut child = Command::new(program)
            .arg(folder)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example: `cargo test` builds it, or `cargo build --example tools`");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let input = child.stdin.take().unwrap();
        Self { child, input, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn hear(&self) -> Value {
        serde_json::from_str(&self.lines.recv_timeout(SOON).unwrap()).unwrap()
    }

    /// The answer to a request, without the notifications before it.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.say(
            &json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string(),
        );
        loop {
            let message = self.hear();
            if message["id"] == 7 {
                return message;
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_client_lists_and_calls_tools_and_learns_of_changes() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "echo.wasm", &tool("says it all"));
    let mut server = Server::start(folder.path());

    let hello =
        server.ask("initialize", &json!({ "protocolVersion": "2025-03-26", "capabilities": {} }));
    assert_eq!(hello["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(hello["result"]["capabilities"]["tools"]["listChanged"], true);
    server.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);

    let listed = server.ask("tools/list", &json!({}));
    let expected = json!([{ "name": "echo", "description": "says it all", "inputSchema": { "type": "object" } }]);
    assert_eq!(listed["result"]["tools"], expected);

    let called = server.ask("tools/call", &json!({ "name": "echo", "arguments": { "a": "é" } }));
    assert_eq!(called["result"]["structuredContent"], json!({ "a": "é" }));
    assert_eq!(called["result"]["isError"], false);

    // An error of the tool is an answer for the model; a mistake of the client is none.
    let failed = server.ask("tools/call", &json!({ "name": "echo" }));
    assert_eq!(failed["result"]["isError"], true);
    let text = failed["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("expected an argument, found none"), "{failed}");
    let unknown = server.ask("tools/call", &json!({ "name": "ecko", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32_602);
    assert!(
        unknown["error"]["message"].as_str().unwrap().contains("did you mean \"echo\""),
        "{unknown}"
    );
    assert_eq!(server.ask("tools/stop", &json!({}))["error"]["code"], -32_601);
    server.say("{ no JSON");
    assert_eq!(server.hear()["error"]["code"], -32_700);

    // Another version of the tool: the client is told, and sees it.
    put(folder.path(), "echo.wasm", &tool("says it now"));
    assert_eq!(server.hear()["method"], "notifications/tools/list_changed");
    let listed = server.ask("tools/list", &json!({}));
    assert_eq!(listed["result"]["tools"][0]["description"], "says it now");

    std::fs::remove_file(folder.path().join("echo.wasm")).unwrap();
    assert_eq!(server.hear()["method"], "notifications/tools/list_changed");
    assert_eq!(server.ask("tools/list", &json!({}))["result"]["tools"], json!([]));
}
