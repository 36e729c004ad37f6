//! `call`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use data_encoding::BASE64;
use plugbay::{
    CallOptions, Codec, Handler, Host, Kind as _, Request, Response, RouteMatch, escaped,
};
use plugbay_server::document::Form;
use serde_json::{Value, json};

use super::convert::input;
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{print, source};

/// Makes one call and prints the answer
///
/// The plugins are loaded in this process. The answer's bytes go to stdout unchanged. A handler's
/// status goes to stderr unless it is 200; from 400 on the exit code is 1.
#[derive(Args)]
#[command(after_help = "Examples:
  echo '{\"a\":1}' | plugbay call codec:yaml encode
  plugbay call codec:toml decode < Cargo.toml
  plugbay call handler:hello --method GET --path /hello/Ada --header 'accept: application/json'
  plugbay call handler:render --method POST --path /render --body notes.md")]
pub(super) struct Call {
    /// What to call, as KIND:NAME
    #[arg(value_name = "KIND:NAME")]
    target: String,

    /// For codecs: the direction in which stdin is converted
    operation: Option<Operation>,

    /// For `encode`: the form of the document on stdin
    #[arg(long, value_name = "FORM", default_value = "json")]
    input: FormName,

    /// For `decode`: the form in which the document is printed
    #[arg(long, value_name = "FORM", default_value = "json")]
    output: FormName,

    /// For handlers: the request's method
    #[arg(long, default_value = "GET")]
    method: String,

    /// For handlers: the request's path, with its query
    #[arg(long, default_value = "/")]
    path: String,

    /// For handlers: a header field; repeatable
    #[arg(long, value_name = "NAME:VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,

    /// For handlers: the file that holds the body; `-` is stdin [default: no body]
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    /// Document to bytes
    Encode,
    /// Bytes to document
    Decode,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormName {
    Json,
    Cbor,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Self {
        match name {
            FormName::Json => Self::Json,
            FormName::Cbor => Self::Cbor,
        }
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        }
        _ => Err("expected NAME:VALUE, such as accept:text/html".into()),
    }
}

impl Call {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let example = "such as codec:json or handler:hello";
        let (kind, name) = self.target.split_once(':').ok_or_else(|| {
            let message = format!("expected KIND:NAME, found {:?}", self.target);
            Failure::usage(message).hint(example)
        })?;
        match (kind, self.operation) {
            (Codec::NAME, Some(operation)) => self.codec(globals, name, operation),
            (Codec::NAME, None) => {
                Err(Failure::usage("expected an operation for the codec: encode or decode")
                    .hint(format!("for example: plugbay call {} encode", self.target)))
            }
            (Handler::NAME, None) => self.handler(globals, name),
            (Handler::NAME, Some(_)) => Err(Failure::usage(
                "expected no operation: encode and decode are for codecs",
            )
            .hint(format!("for example: plugbay call {} --method GET --path /", self.target))),
            _ => Err(Failure::usage(format!("expected the kind codec or handler, found {kind:?}"))
                .hint(example)),
        }
    }

    fn codec(
        &self,
        globals: &Globals,
        name: &str,
        operation: Operation,
    ) -> Result<Outcome, Failure> {
        let host = source::in_process(globals)?;
        let failed = |error| Failure::of_call(&host, error);
        let codec = host.codec(name).map_err(|missed| source::missing(&host, &missed))?;
        let bytes = input(None)?;
        match operation {
            Operation::Encode => {
                let document = Form::from(self.input).read(&bytes)?;
                print::bytes(&codec.encode_document(document.as_cbor()).map_err(failed)?)?;
            }
            Operation::Decode => {
                let document = codec.decode_document(&bytes).map_err(failed)?;
                let form = Form::from(self.output);
                let mut bytes = form.write(document)?;
                if form == Form::Json {
                    bytes.push(b'\n');
                }
                print::bytes(&bytes)?;
            }
        }
        Ok(Outcome::Done)
    }

    fn handler(&self, globals: &Globals, name: &str) -> Result<Outcome, Failure> {
        let host = source::in_process(globals)?;
        let (path, query) = match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (self.path.as_str(), None),
        };
        let request = Request {
            method: self.method.to_ascii_uppercase(),
            path: path.to_owned(),
            query,
            params: Vec::new(),
            headers: self.header.iter().map(|(n, v)| (n.clone(), v.clone().into_bytes())).collect(),
            body: match &self.body {
                Some(file) => input(Some(file))?,
                None => Vec::new(),
            },
        };
        let response = source::runtime()?.block_on(answer(globals, &host, name, request))?;
        if globals.json {
            print::json(&response_json(&response))?;
        } else {
            // 200 alone is what is expected, and needs no word.
            if response.status != 200 {
                anstream::eprintln!("{}", status_line(&response));
            }
            print::bytes(&response.body)?;
        }
        Ok(if response.status >= 400 { Outcome::Negative } else { Outcome::Done })
    }
}

/// Calls the handler by its route, if one matches: the route provides the path's parameters. Otherwise
/// says on stderr what a request to the running host would meet, and calls the handler itself.
async fn answer(
    globals: &Globals,
    host: &Host,
    name: &str,
    request: Request,
) -> Result<Response, Failure> {
    let handler = host.handler(name).map_err(|missed| source::missing(host, &missed))?;
    let met = match host.snapshot().route(&request.method, &request.path) {
        RouteMatch::Found(routed) if routed.handler() == name => {
            let answer = routed.handle(CallOptions::default(), request).await;
            return answer.map_err(|error| Failure::of_call(host, error));
        }
        RouteMatch::Found(routed) => format!("the handler {}", routed.handler()),
        RouteMatch::NotServing(plugin) => {
            format!("status 503, because {} {}", plugin.plugin, plugin.why)
        }
        RouteMatch::MethodNotAllowed { .. } => "status 405".to_owned(),
        RouteMatch::NotFound => "status 404".to_owned(),
    };
    if !globals.quiet {
        let (method, path) = (&request.method, &request.path);
        let line = format!(
            "no route leads from {method} {path} to {name}: a request over HTTP gets {met}"
        );
        anstream::eprintln!("{}", escaped(line));
    }
    handler.handle(request).await.map_err(|error| Failure::of_call(host, error))
}

/// The status, and where the client should go.
fn status_line(response: &Response) -> String {
    let status = response.status;
    let location = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    match location {
        Some((_, to)) => {
            format!("status {status}, location {}", escaped(String::from_utf8_lossy(to)))
        }
        None => format!("status {status}"),
    }
}

/// A response as JSON. A body that is not UTF-8 text is written in base64.
fn response_json(response: &Response) -> Value {
    let headers = response.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| json!([name, String::from_utf8_lossy(value)])).collect();
    match std::str::from_utf8(&response.body) {
        Ok(body) => json!({ "status": response.status, "headers": headers, "body": body }),
        Err(_) => json!({
            "status": response.status,
            "headers": headers,
            "body_base64": BASE64.encode(&response.body),
        }),
    }
}
