//! The planes in an application, and on any listeners.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::routing::get;
use axum::{Router, serve};
use plugbay::{Builder, Host};
use plugbay_fixtures::Guest;
use plugbay_server::{AdminPlane, DataPlane, Listener, RESERVED_PATHS, Server};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::support::{SOON, Setup, ask, host, port, until};

fn builder(setup: &Setup) -> Builder {
    Host::builder().layers(setup.layers()).reserved(RESERVED_PATHS)
}

fn localhost() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_mounts_both_planes_beside_its_own_routes() {
    let setup = host().plugin("echo.wasm", &Guest::handler("echo"));
    let host = builder(&setup).build().await.unwrap();
    let admin = AdminPlane::new(&host);
    let app = Router::new()
        .route("/own", get(|| async { "mine" }))
        .nest("/admin", admin.router())
        .nest("/anyone", admin.clone().allow_any_host().router())
        .fallback_service(DataPlane::new(host.clone()).unwrap());
    let listener = TcpListener::bind(localhost()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = serve(listener, app).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let serving = tokio::spawn(serving.into_future());

    let get = |path: &'static str, name: &'static str| async move {
        ask(address, "GET", path, &[("host", name)], Vec::new()).await
    };
    assert_eq!(get("/own", "x").await.text(), "mine");
    assert_eq!(ask(address, "POST", "/echo", &[], b"hi".to_vec()).await.text(), "hi");
    assert_eq!(get("/v1/codecs", "x").await.status, 200);
    let status = get("/admin/v1/status", "localhost").await.json();
    assert_eq!(status, serde_json::to_value(host.status()).unwrap());
    assert_eq!(get("/admin/readyz", "127.0.0.1:1").await.status, 200);
    assert_eq!(get("/admin/none", "localhost").await.code(), "not-found");
    assert_eq!(get("/v1/status", "localhost").await.status, 404, "only below its prefix");
    // Without a password, only names of this machine are accepted, unless the application says otherwise.
    assert_eq!(get("/admin/v1/status", "app.example").await.status, 421);
    assert_eq!(get("/anyone/v1/status", "app.example").await.status, 200);
    let foreign = [("host", "app.example"), ("origin", "https://evil.example")];
    assert_eq!(ask(address, "POST", "/anyone/v1/reload", &foreign, Vec::new()).await.status, 403);

    // A server that stops gracefully does not wait for event streams.
    let mut events = TcpStream::connect(address).await.unwrap();
    events.write_all(b"GET /admin/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    events.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    admin.close();
    tokio::time::timeout(SOON, serving).await.expect("the end").unwrap().unwrap();
}

/// Connections that a test hands over.
struct Handed(mpsc::Receiver<DuplexStream>);

impl serve::Listener for Handed {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.recv().await {
            Some(stream) => (stream, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends the head and the half of the body of a request.
async fn begin(stream: &mut (impl AsyncWrite + Unpin), path: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nha");
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Sends the rest, and reads the answer to the end of the connection.
async fn finish(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    stream.write_all(b"lf").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the end").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_serves_any_listeners_and_its_stop_drains_all_of_them() {
    let setup = host().plugin("echo.wasm", &Guest::handler("echo"));
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("data.sock");
    let builder = builder(&setup);
    let (hand_over, handed) = mpsc::channel(1);
    let own = Router::new().route("/own", axum::routing::post(|body: String| async { body }));
    let listening = Server::unbound(builder.liveness()).unwrap();
    let admin = listening.admin_plane().allow_any_host().router();
    let (apps, managed) =
        (Listener::tcp(localhost()).unwrap(), Listener::tcp(localhost()).unwrap());
    let [apps_at, managed_at] =
        [&apps, &managed].map(|listener| listener.address().unwrap().tcp().unwrap());
    let listening = listening
        .data(Listener::tcp(localhost()).unwrap())
        .data(Listener::tcp(localhost()).unwrap())
        .data(Listener::of(Handed(handed)))
        .app(own, apps)
        .app(admin, managed)
        .admin(Listener::tcp(localhost()).unwrap())
        .unwrap();
    #[cfg(unix)]
    let listening = listening.data(Listener::unix(&socket, 0o600).unwrap());
    let data = listening.data_addresses();
    let [first, second] = [0, 1].map(|index| data[index].tcp().unwrap());
    let server = listening.serve(builder.build().await.unwrap()).unwrap();
    assert_eq!(server.data_addresses(), data);

    let ready = ask(managed_at, "GET", "/readyz", &[("host", "app.example")], Vec::new()).await;
    assert_eq!(ready.status, 200);
    let (mut ours, theirs) = tokio::io::duplex(1 << 16);
    hand_over.send(theirs).await.unwrap();
    let mut one = TcpStream::connect(first).await.unwrap();
    let mut two = TcpStream::connect(second).await.unwrap();
    let mut app = TcpStream::connect(apps_at).await.unwrap();
    begin(&mut one, "/echo").await;
    begin(&mut two, "/echo").await;
    begin(&mut ours, "/echo").await;
    begin(&mut app, "/own").await;
    #[cfg(unix)]
    let mut unix = {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        begin(&mut stream, "/echo").await;
        stream
    };
    // All of them have arrived, because later requests are answered.
    for address in [first, second] {
        assert_eq!(ask(address, "POST", "/echo", &[], b"hi".to_vec()).await.text(), "hi");
    }

    let admin_at = port(server.admin_addresses());
    let mut stop = pin!(server.stop(Duration::from_secs(60)));
    let stopping = until("no new connection", || async {
        TcpStream::connect(first).await.is_err() && TcpStream::connect(second).await.is_err()
    });
    tokio::select! {
        stopped = &mut stop => panic!("{stopped:?} before the requests were answered"),
        () = stopping => {}
    }
    assert!(!socket.exists(), "the file of the socket is removed");
    assert_eq!(ask(admin_at, "GET", "/readyz", &[], Vec::new()).await.status, 503);
    let finished = async {
        let mut answers = vec![finish(&mut one).await, finish(&mut two).await];
        answers.extend([finish(&mut ours).await, finish(&mut app).await]);
        #[cfg(unix)]
        answers.push(finish(&mut unix).await);
        answers
    };
    let (stopped, answers) = tokio::join!(stop, finished);
    assert_eq!(stopped.cut_off, 0);
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("half"), "{answer}");
    }
}
