//! A handler that asks the admin plane of its own host for something, over loopback: each action is answered at once,
//! and none waits for the handler's own call.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use plugbay::runtime::{
    Artifact, CapabilityDescription, HandlerCall, HandlerFuture, PluginStats, RouteDescription,
    StartPlugin,
};
use plugbay::{
    CallError, Context, Description, Handler, Host, Isolation, Plugin, Prepared, Provider, Refusal,
    Request, Response, Runtime,
};
use plugbay_server::Server;

use super::support::{ask, host, port};

/// Far less than `host.drain` and than the time-out of a request, and far more than an action takes.
const AT_ONCE: Duration = Duration::from_secs(15);

/// A runtime whose only plugin sends `POST` and its request's body, a path and perhaps a body, to the admin plane.
#[derive(Clone, Default)]
struct Asking(Arc<OnceLock<SocketAddr>>);

impl Runtime for Asking {
    fn name(&self) -> &'static str {
        "asking"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        artifact.bytes.starts_with(b"asking")
    }

    fn is_whole(&self, _: &Artifact) -> bool {
        true
    }

    fn prepare(&self, _: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        Ok(Arc::new(self.clone()))
    }
}

impl Prepared for Asking {
    fn describe(&self, _: Isolation) -> Result<Description, Refusal> {
        let route = RouteDescription { methods: Vec::new(), path: "/ask".to_owned() };
        Ok(Description {
            name: "asking".to_owned(),
            version: "1.0.0".parse().unwrap(),
            description: String::new(),
            capabilities: vec![CapabilityDescription {
                kind: "handler".to_owned(),
                name: "asking".to_owned(),
                description: String::new(),
                media_types: Vec::new(),
                routes: vec![route],
                nonblocking: false,
            }],
            config_schema: None,
        })
    }

    fn is_native(&self) -> bool {
        false
    }

    fn imports(&self) -> &[String] {
        &[]
    }

    fn exports(&self) -> &[String] {
        &[]
    }

    fn code_size(&self) -> u64 {
        0
    }

    fn start(&self, _: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        Ok(Arc::new(self.clone()))
    }
}

impl Plugin for Asking {
    fn provide(&self, _: u32) -> Option<Provider> {
        Some(Provider::new::<Handler>(Arc::new(self.clone())))
    }

    fn calls_others(&self) -> bool {
        false
    }

    fn health(&self, _: Duration) -> Result<(), CallError> {
        Ok(())
    }

    fn shutdown(&self) {}

    fn stats(&self) -> PluginStats {
        PluginStats::default()
    }
}

impl HandlerCall for Asking {
    fn handle<'a>(&'a self, _: Context<'a>, request: Request) -> HandlerFuture<'a> {
        Box::pin(async move {
            let admin = *self.0.get().unwrap();
            let asked = String::from_utf8(request.body).unwrap();
            let (path, body) = asked.split_once(' ').unwrap_or((&asked, ""));
            let length = body.len();
            let mut stream = TcpStream::connect(admin).unwrap();
            stream.set_read_timeout(Some(AT_ONCE)).unwrap();
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("an answer at once");
            Ok(Response { status: 200, headers: Vec::new(), body: answer })
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_action_answers_the_plugin_that_it_is_about() {
    let setup = host().file("asking.wasm", b"asking").set("host.drain", "1m").toml(
        "[capabilities.'handler:asking']\nstrategy = 'split'\nproviders = ['asking', 'other']\nweights = [1, 1]\n",
    );
    let asking = Asking::default();
    let builder = Host::builder().layers(setup.layers()).runtime(Arc::new(asking.clone()));
    let listening = Server::bind(&setup.layers().load().unwrap(), builder.liveness()).unwrap();
    let host = builder.build().await.unwrap();
    let server = listening.serve(host.clone()).unwrap();
    asking.0.set(port(server.admin_addresses())).unwrap();
    let data = port(server.data_addresses());
    let first = host.snapshot().generation();
    let drained = async || {
        // The calls before have ended for the host, too.
        let wait = plugbay::ActionOptions::default().wait(AT_ONCE);
        host.drain("asking", wait).await.unwrap();
        host.enable("asking", plugbay::ActionOptions::default()).await.unwrap();
    };
    for (asked, status) in [
        ("/v1/reload", "200"),
        (&*format!("/v1/generations/{first}/rollback"), "200"),
        ("/v1/resume", "200"),
        ("/v1/plugins/asking/restart", "200"),
        // The call itself is left.
        ("/v1/plugins/asking/drain", "202"),
        (r#"/v1/plugins/asking/breaker {"state":"open"}"#, "200"),
        (r#"/v1/plugins/asking/breaker {"state":"closed"}"#, "200"),
        (r#"/v1/capabilities/handler:asking/weights {"weights":{"asking":2}}"#, "200"),
        ("/v1/plugins/asking/enable", "200"),
        ("/v1/plugins/asking/disable", "200"),
    ] {
        let began = Instant::now();
        let answer = ask(data, "POST", "/ask", &[], asked.into()).await;
        assert!(began.elapsed() < AT_ONCE, "{asked}: {:?}", began.elapsed());
        let text = answer.text();
        assert_eq!(answer.status, 200, "{asked}: {text}");
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{asked}: {text}");
        if asked.ends_with(r#""open"}"#) {
            let reset = plugbay::ActionOptions::default();
            host.reset_breaker("asking", reset).await.unwrap();
        }
        if !asked.ends_with("disable") {
            drained().await;
        }
    }
    let gone = ask(data, "POST", "/ask", &[], b"/v1/reload".to_vec()).await;
    assert_eq!(gone.status, 503, "{}", gone.text());
    server.stop(Duration::from_secs(5)).await;
}
