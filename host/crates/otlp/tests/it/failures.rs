//! A collector that is absent, hangs, is busy, refuses, or dies: spans are dropped and counted, and nothing waits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use plugbay_otlp::{DropReason, Exporter, SpanCounts};

use crate::receiver::{By, Manner, Receiver};
use crate::support::{dropped, record, settings, start, until};

const BOTH: [By; 2] = [By::Grpc, By::Http];
/// A time limit for batches that have no chance.
const SHORT: Duration = Duration::from_millis(500);
/// More spans than the queue and a batch in flight hold.
const FLOOD: u64 = 10_000;

/// An address that is bound, and refuses connections.
fn unused_address() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[tokio::test]
async fn without_a_collector_spans_are_dropped_and_counted() {
    for by in BOTH {
        let (_bound, address) = unused_address();
        let exporter = start(by, &format!("http://{address}"), SHORT);
        record(&exporter.sink(), "a");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        assert_eq!(exporter.counts().exported(), 0);
    }
}

#[tokio::test]
async fn a_flood_beside_a_hanging_collector_is_bounded_and_counted() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::Hangs).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        let sink = exporter.sink();
        (0..FLOOD).for_each(|_| record(&sink, "a"));
        let full = exporter.counts().dropped(DropReason::QueueFull);
        // The queue holds 4,096, and the thread may have taken a batch or more in the meantime.
        assert!((1..=FLOOD - 4_096).contains(&full), "{full}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_collector_does_not_delay_the_end() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::Hangs).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        let sink = exporter.sink();
        (0..1_000).for_each(|_| record(&sink, "a"));
        let began = Instant::now();
        exporter.stop(SHORT);
        // Far below the time limit of a batch, which is 30 s.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        until(&exporter, "all dropped", |it| dropped(it) == 1_000).await;
    }
}

#[tokio::test]
async fn a_batch_that_hangs_is_given_up_and_the_next_one_is_sent() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::Hangs).await;
        let exporter = start(by, &receiver.endpoint(), SHORT);
        record(&exporter.sink(), "lost");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        receiver.set_manner(Manner::Accepts);
        // On a busy machine a batch may take longer than that limit.
        while exporter.counts().exported() == 0 {
            let lost = exporter.counts().dropped(DropReason::Failed);
            record(&exporter.sink(), "sent");
            let decided =
                |it: &SpanCounts| it.exported() > 0 || it.dropped(DropReason::Failed) > lost;
            until(&exporter, "it is decided", decided).await;
        }
        assert!(receiver.spans().iter().all(|span| span.name == "sent"));
    }
}

#[tokio::test]
async fn a_busy_collector_is_asked_again() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::IsBusy).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        record(&exporter.sink(), "a");
        let end = Instant::now() + Duration::from_mins(1);
        while receiver.requests().len() < 2 {
            assert!(Instant::now() < end, "no second attempt");
            tokio::task::yield_now().await;
        }
        assert_eq!(dropped(exporter.counts()), 0);
        receiver.set_manner(Manner::Accepts);
        until(&exporter, "one exported", |it| it.exported() == 1).await;
        assert_eq!(dropped(exporter.counts()), 0);
    }
}

#[tokio::test]
async fn a_collector_is_left_alone_as_long_as_it_asks() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::AsksForASecond).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        record(&exporter.sink(), "a");
        let end = Instant::now() + Duration::from_mins(1);
        while receiver.times().len() < 2 {
            assert!(Instant::now() < end, "no second attempt");
            tokio::task::yield_now().await;
        }
        // Otherwise the second attempt comes after 375 ms at most.
        let times = receiver.times();
        assert!(times[1] - times[0] >= Duration::from_secs(1), "{by:?}: {times:?}");
        receiver.set_manner(Manner::Accepts);
        until(&exporter, "one exported", |it| it.exported() == 1).await;
        assert_eq!(dropped(exporter.counts()), 0);
    }
}

#[tokio::test]
async fn over_grpc_an_exhausted_collector_is_asked_again_only_if_it_says_when() {
    let receiver = Receiver::start(By::Grpc, Manner::IsExhausted).await;
    let exporter = Exporter::start(&settings(By::Grpc, &receiver.endpoint())).unwrap();
    record(&exporter.sink(), "a");
    until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test]
async fn a_collector_that_stays_busy_costs_its_spans() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::IsBusy).await;
        let exporter = start(by, &receiver.endpoint(), SHORT);
        record(&exporter.sink(), "a");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        assert!(receiver.spans().is_empty());
    }
}

#[tokio::test]
async fn a_collector_may_ask_for_any_time() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::AsksForever).await;
        let exporter = start(by, &receiver.endpoint(), SHORT);
        record(&exporter.sink(), "a");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        drop(exporter);
        // A thread that ended by itself would send nothing more.
        let exporter = start(by, &receiver.endpoint(), Duration::from_secs(20));
        record(&exporter.sink(), "b");
        let lost = |it: &SpanCounts| it.dropped(DropReason::Failed) == 1;
        until(&exporter, "one dropped at once", lost).await;
        receiver.set_manner(Manner::Accepts);
        record(&exporter.sink(), "c");
        until(&exporter, "one exported", |it| it.exported() >= 1).await;
    }
}

#[tokio::test]
async fn a_refused_batch_is_not_sent_again() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::Refuses).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        record(&exporter.sink(), "a");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        assert_eq!(receiver.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_collector_that_dies_and_comes_back_gets_the_later_spans() {
    for by in BOTH {
        let receiver = Receiver::start(by, Manner::Accepts).await;
        let (address, endpoint) = (receiver.address, receiver.endpoint());
        let exporter = start(by, &endpoint, Duration::from_secs(2));
        record(&exporter.sink(), "first");
        until(&exporter, "one exported", |it| it.exported() == 1).await;
        receiver.die().await;
        record(&exporter.sink(), "lost");
        until(&exporter, "one dropped", |it| it.dropped(DropReason::Failed) == 1).await;
        let receiver = Receiver::start_at(by, Manner::Accepts, address).await;
        record(&exporter.sink(), "later");
        let spans = receiver.wait("the later span", |spans| !spans.is_empty()).await;
        assert_eq!(spans[0].name, "later");
    }
}
