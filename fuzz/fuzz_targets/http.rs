//! The bytes of one connection, to each plane: whatever a client sends, the server answers in HTTP or closes the
//! connection, never fails itself, and ends the connection once the client has.
#![no_main]

use std::io;
use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use plugbay::config::{CorsSettings, Peer, Rate, RouteOptions, RouteSettings};
use plugbay::{Config, Host};
use plugbay_fixtures::Guest;
use plugbay_server::{Listener, RESERVED_PATHS, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// The longest time that a connection may stay open after its client has finished sending.
const END: Duration = Duration::from_secs(10);

struct Planes {
    runtime: Runtime,
    data: mpsc::Sender<DuplexStream>,
    admin: mpsc::Sender<DuplexStream>,
    _server: Mutex<Server>,
}

/// Connections of the fuzzer.
struct Fuzzed(mpsc::Receiver<DuplexStream>);

impl axum::serve::Listener for Fuzzed {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

static PLANES: LazyLock<Planes> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let (data, data_listener) = mpsc::channel(1);
    let (admin, admin_listener) = mpsc::channel(1);
    let server = runtime.block_on(async {
        let mut config = Config::default();
        config.host.linked = false;
        config.host.cache = Default::default();
        config.server.timeout = Duration::from_secs(1);
        // Whatever a client says about its address, its rate and its origin is read.
        config.server.trusted_proxies = vec![Peer::Unix];
        config.server.rate = Rate::new(NonZeroU32::MAX, Duration::from_secs(1));
        config.server.compression = true;
        let cors = CorsSettings { origins: vec!["*".to_owned()], ..CorsSettings::default() };
        config.routes.push(RouteSettings {
            path: "/open".to_owned(),
            handler: "echo".to_owned(),
            options: RouteOptions { cors: Some(cors), ..RouteOptions::default() },
            ..RouteSettings::default()
        });
        let echo = Guest::handler("echo").route("", "/{*rest}").build();
        let builder = Host::builder().config(config).watch(false).reserved(RESERVED_PATHS);
        let builder = builder.artifact("echo", echo);
        let listening = Server::unbound(builder.liveness()).expect("threads");
        let listening = listening.data(Listener::of(Fuzzed(data_listener)));
        let listening = listening.admin(Listener::of(Fuzzed(admin_listener))).expect("a thread");
        listening.serve(builder.build().await.expect("a host")).expect("a server")
    });
    Planes { runtime, data, admin, _server: Mutex::new(server) }
});

fuzz_target!(|input: (bool, Vec<u8>)| {
    let planes = &*PLANES;
    let (to_admin, bytes) = input;
    let listener = if to_admin { &planes.admin } else { &planes.data };
    let answer = planes.runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        listener.send(server).await.expect("the plane accepts");
        let (mut read, mut write) = tokio::io::split(&mut client);
        let mut answer = Vec::new();
        let send = async {
            // The server may close the connection before it has read everything.
            let _ = write.write_all(&bytes).await;
            let _ = write.shutdown().await;
        };
        let both = async { tokio::join!(send, read.read_to_end(&mut answer)) };
        let ended = tokio::time::timeout(END, both).await;
        assert!(ended.is_ok(), "the connection did not end; the answer is {answer:?}");
        answer
    });
    let is_http = answer.is_empty() || answer.starts_with(b"HTTP/1.");
    assert!(is_http, "{:?}", String::from_utf8_lossy(&answer));
    let failed = answer.windows(13).any(|it| it == b"HTTP/1.1 500 ");
    assert!(!failed, "{:?}", String::from_utf8_lossy(&answer));
});
