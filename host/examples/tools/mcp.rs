//! What this example needs of the Model Context Protocol (2025-06-18): JSON-RPC 2.0, one message a line.

use std::io::{self, BufRead, Read as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// The versions of the protocol that this server speaks, the newest first.
const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

/// The longest message, in bytes.
const LONGEST: u64 = 4 << 20;

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;
const INVALID_PARAMS: i32 = -32_602;

/// What has tools.
pub(crate) trait Tools {
    /// Each as the protocol lists it: `name`, `description`, `inputSchema`.
    fn list(&self) -> Vec<Value>;

    /// Calls a tool with a JSON object; the answer is JSON.
    fn call(&self, name: &str, arguments: &Value) -> Result<String, Failed>;
}

/// A call of a tool failed.
pub(crate) enum Failed {
    /// A mistake of the client.
    NoSuchTool(String),
    /// An answer for the model, which may try again with other arguments.
    InTool(String),
}

/// The client, to which messages are written, each as a whole.
pub(crate) struct Client<W> {
    output: Mutex<W>,
    initialized: AtomicBool,
}

impl<W: Write> Client<W> {
    pub(crate) fn new(output: W) -> Self {
        Self { output: Mutex::new(output), initialized: AtomicBool::new(false) }
    }

    /// Says that the list of tools is another. A client that is gone is found by `serve`.
    pub(crate) fn tools_changed(&self) {
        if self.initialized.load(Ordering::Acquire) {
            let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
            drop(self.send(&changed));
        }
    }

    fn send(&self, message: &Value) -> io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(output, "{message}")?;
        output.flush()
    }
}

/// Answers requests until the client closes its end.
pub(crate) fn serve<W: Write>(
    mut input: impl BufRead,
    client: &Client<W>,
    tools: &impl Tools,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LONGEST).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") && read as u64 == LONGEST {
            let message = format!("expected a message of at most {LONGEST} bytes, found more");
            return client.send(&error(&Value::Null, INVALID_REQUEST, &message));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = match serde_json::from_slice(&line) {
            Ok(request) => answer(&request, client, tools),
            Err(broken) => Some(error(&Value::Null, PARSE_ERROR, &broken.to_string())),
        };
        if let Some(answer) = answer {
            client.send(&answer)?;
        }
    }
}

/// The answer to a message; none to a notification.
fn answer<W>(request: &Value, client: &Client<W>, tools: &impl Tools) -> Option<Value> {
    let Some(method) = request["method"].as_str() else {
        return Some(error(&request["id"], INVALID_REQUEST, "expected a method"));
    };
    if request.get("id").is_none() {
        if method == "notifications/initialized" {
            client.initialized.store(true, Ordering::Release);
        }
        return None;
    }
    let (id, params) = (&request["id"], &request["params"]);
    let answered = match method {
        "initialize" => Ok(initialize(params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools.list() })),
        "tools/call" => call(params, tools),
        other => Err((METHOD_NOT_FOUND, format!("no method {other:?}"))),
    };
    Some(match answered {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => error(id, code, &message),
    })
}

/// Agrees on the client's version if this server speaks it, and otherwise offers the newest.
fn initialize(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.into_iter().find(|version| *version == wanted).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": "plugbay-tools", "version": env!("CARGO_PKG_VERSION") },
    })
}

fn call(params: &Value, tools: &impl Tools) -> Result<Value, (i32, String)> {
    let name = params["name"]
        .as_str()
        .ok_or((INVALID_PARAMS, "expected the name of a tool".to_owned()))?;
    let empty = json!({});
    let arguments = match params.get("arguments") {
        None => &empty,
        Some(arguments) if arguments.is_object() => arguments,
        Some(_) => {
            return Err((INVALID_PARAMS, "expected arguments that are an object".to_owned()));
        }
    };
    let (text, is_error) = match tools.call(name, arguments) {
        Ok(text) => (text, false),
        Err(Failed::InTool(message)) => (message, true),
        Err(Failed::NoSuchTool(message)) => return Err((INVALID_PARAMS, message)),
    };
    let mut result = json!({ "content": [{ "type": "text", "text": text }], "isError": is_error });
    if !is_error && let Ok(structured @ Value::Object(_)) = serde_json::from_str(&text) {
        result["structuredContent"] = structured;
    }
    Ok(result)
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}
