//! Actions that a plugin's own call asks for: each answers at once, and never waits for its own lease.

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugbay::{ActionOptions, Host};

use crate::support::puppet::{Puppets, puppet};
use crate::support::{Site, place};

/// Far less than a drain may take, and far more than an action should on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Lets the next call of `a` do this, and asserts that it is answered at once. Returns what it said.
fn inside<T: Send + 'static>(act: impl Fn(&Host) -> T + Send + Sync + 'static) -> (Site, T) {
    let puppets = Puppets::default();
    let runtime = Arc::new(puppets.clone());
    let place = place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a", "codec:c", "handler:h"]))
        .plugin("b.wasm", puppet("b", "1.0.0", &["codec:c"]))
        .config(
            "[defaults]\nhealth_every = '0s'\n[capabilities.'codec:c']\nstrategy = 'split'\n\
             providers = ['a', 'b']\nweights = [1, 1]\n",
        );
    // A call that waited for itself would wait for a minute (`host.drain`), or for ever.
    let site = place.host_with(|builder| builder.runtime(runtime));
    let (said, heard): (Sender<T>, _) = channel();
    // Once: the host must not be kept by its own plugin.
    let once = Mutex::new(Some((site.host.clone(), said)));
    puppets.on_call("a@1.0.0", move || {
        let taken = once.lock().unwrap().take();
        if let Some((host, said)) = taken {
            said.send(act(&host)).unwrap();
        }
    });
    let began = Instant::now();
    assert_eq!(site.encode("a"), "a@1.0.0", "the call itself is answered");
    let answer = heard.recv_timeout(AT_ONCE).expect("an answer");
    assert!(began.elapsed() < AT_ONCE);
    (site, answer)
}

fn now<T>(action: impl Future<Output = T>) -> T {
    futures_lite::future::block_on(action)
}

#[test]
fn reload() {
    let (_site, report) = inside(Host::reload_blocking);
    assert!(report.rejected.is_empty());
}

#[test]
fn rollback_and_resume() {
    let (site, report) = inside(|host| {
        let back = host.roll_back_blocking(host.snapshot().generation());
        (back, host.resume_blocking())
    });
    assert!(report.0.is_ok() && report.1.is_ok(), "{report:?}");
    assert_eq!(site.status().pinned, None);
}

#[test]
fn disable_and_enable() {
    let (site, reports) = inside(|host| {
        let off = now(host.disable("a", ActionOptions::default()));
        (off.unwrap(), now(host.enable("a", ActionOptions::default())).unwrap())
    });
    assert_eq!((reports.0.retired.len(), reports.1.loaded.len()), (1, 1));
    assert_eq!(site.encode("a"), "a@1.0.0");
}

#[test]
fn restart() {
    let (site, report) = inside(|host| now(host.restart("a", ActionOptions::default())).unwrap());
    assert_eq!((report.loaded.len(), report.retired.len()), (1, 1));
    assert_eq!(site.encode("a"), "a@1.0.0");
}

#[test]
fn drain() {
    let (site, (report, waited)) = inside(|host| {
        let at_once = now(host.drain("a", ActionOptions::default())).unwrap();
        let wait = ActionOptions::default().wait(Duration::from_millis(20));
        (at_once, now(host.drain("a", wait)).unwrap())
    });
    assert_eq!(report.left.unwrap().leases, 1, "the call itself");
    assert_eq!(waited.left.unwrap().leases, 1, "a wait ends at its deadline");
    let left = now(site.drain("a", ActionOptions::default().wait(AT_ONCE))).unwrap().left.unwrap();
    assert!(left.is_drained(), "{left:?}");
}

#[test]
fn breaker() {
    let (site, _) = inside(|host| now(host.open_breaker("a", ActionOptions::default())).unwrap());
    assert!(site.codec("a").unwrap().encode_document(&[]).is_err());
    let (site, _) = inside(|host| now(host.reset_breaker("a", ActionOptions::default())).unwrap());
    assert_eq!(site.encode("a"), "a@1.0.0");
}

#[test]
fn weights() {
    let (_site, report) = inside(|host| {
        let weights = BTreeMap::from([("a".to_owned(), 3)]);
        now(host.set_weights("codec:c", weights, ActionOptions::default())).unwrap()
    });
    assert!(report.published);
}

#[test]
fn reads() {
    let (_site, read) =
        inside(|host| (host.running_config().generation, host.diff(host.snapshot().generation())));
    assert!(read.0 > 0 && read.1.unwrap().is_empty());
}
