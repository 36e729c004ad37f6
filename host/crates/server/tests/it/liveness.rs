//! O5: not live when the reconciler is stuck, before the first generation and after it; and why not ready.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use plugbay::Host;
use plugbay::runtime::Artifact;
use plugbay::{Prepared, Refusal, Runtime};

use super::support::{Setup, ask, host, port, until};

/// A runtime that blocks the thread that shows it a file that begins with `block`, until the test releases it.
struct Blocks(Mutex<Receiver<()>>);

impl Blocks {
    fn new() -> (Arc<Self>, Sender<()>) {
        let (go_on, blocked) = mpsc::channel();
        (Arc::new(Self(Mutex::new(blocked))), go_on)
    }
}

impl Runtime for Blocks {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        if artifact.bytes.starts_with(b"block") {
            // It also ends when the test does.
            let _ = self.0.lock().unwrap().recv();
        }
        false
    }

    fn is_whole(&self, _: &Artifact) -> bool {
        true
    }

    fn prepare(&self, _: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        unreachable!("it recognises nothing")
    }
}

fn impatient() -> Setup {
    host().set("host.stall_timeout", "1s")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_generation_that_is_stuck_is_not_alive() {
    let setup = impatient().file("a.wasm", b"block");
    let (blocks, go_on) = Blocks::new();
    let builder = Host::builder().layers(setup.layers()).runtime(blocks);
    let listening = setup.listen(builder.liveness());
    let admin = port(listening.admin_addresses());
    let get = |path: &'static str| ask(admin, "GET", path, &[], Vec::new());
    let building = tokio::spawn(builder.build());
    until("the host is not alive", || async { get("/livez").await.status == 503 }).await;
    let stuck = get("/livez").await;
    assert!(stuck.text().contains("longer than host.stall_timeout"), "{stuck:?}");
    let ready = get("/readyz?verbose").await;
    assert_eq!(ready.status, 503);
    let checks = &ready.json()["checks"];
    assert_eq!((&checks[0]["name"], &checks[0]["ok"]), (&"server".into(), &true.into()));
    assert_eq!((&checks[1]["name"], &checks[1]["ok"]), (&"generation".into(), &false.into()));
    assert_eq!(checks[1]["details"][0], "the first generation is being built");

    drop(go_on);
    let _server = listening.serve(building.await.unwrap().unwrap()).unwrap();
    assert_eq!(get("/livez").await.status, 200);
    let ready = get("/readyz?verbose").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_stuck_is_not_alive() {
    let setup = impatient();
    let (blocks, go_on) = Blocks::new();
    let builder = Host::builder().layers(setup.layers()).runtime(blocks);
    let listening = setup.listen(builder.liveness());
    let host = builder.build().await.unwrap();
    let server = listening.serve(host.clone()).unwrap();
    let admin = port(server.admin_addresses());
    let get = |path: &'static str| ask(admin, "GET", path, &[], Vec::new());
    assert_eq!(get("/livez").await.status, 200);

    let setup = setup.file("a.wasm", b"block");
    let reloading = tokio::spawn(async move { host.reload().await });
    until("the host is not alive", || async { get("/livez").await.status == 503 }).await;
    assert_eq!(get("/readyz").await.status, 200, "what was published serves");
    drop(go_on);
    reloading.await.unwrap();
    until("the host is alive again", || async { get("/livez").await.status == 200 }).await;
    drop(setup);
}
