//! Puts records through a chain of plugins, a batch at a time, and prints how many a second:
//! `cargo run --release --example transform [FOLDER NAME…]`, the folder of the plugins and the steps in their order.
//!
//! The batch is in the interface, not in a loop around it, so that a call is paid once for many records.
//! `plugbay new double --kind host/examples/transform/transform.wit` makes a step in Rust.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use plugbay::{Host, NotFound};

use self::step::{Row, Transform as _, TransformHandle, TransformKind};

/// The kind `transform`.
pub(crate) mod step {
    plugbay::kind!("examples/transform/transform.wit");
}

/// How many records a batch has.
const BATCH: usize = 1_000;

/// The steps in their order. A new version of a plugin takes over between two batches.
pub(crate) struct Chain(Vec<TransformHandle>);

impl Chain {
    pub(crate) fn of(host: &Host, names: &[String]) -> Result<Self, NotFound> {
        names
            .iter()
            .map(|name| TransformHandle::find(host, name))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Puts one batch through all steps.
    pub(crate) fn apply(&self, batch: Vec<Row>) -> Result<Vec<Row>, plugbay::Error> {
        self.0.iter().try_fold(batch, |batch, step| step.apply(&batch))
    }
}

/// A host of the plugins in the folder, and of these.
pub(crate) fn host(folder: &Path, plugins: &[Vec<u8>]) -> Result<Host, Box<dyn Error>> {
    let mut builder = Host::builder().plugins(folder).kind::<TransformKind>();
    for (number, plugin) in plugins.iter().enumerate() {
        builder = builder.artifact(number.to_string(), plugin.clone());
    }
    Ok(builder.build_blocking()?)
}

/// A step by hand: `expression` makes the new value of `(local.get $value)`.
pub(crate) fn guest(name: &str, expression: &str) -> Vec<u8> {
    let wat = include_str!("guest.wat").replace("NAMES", name).replace("EXPRESSION", expression);
    plugbay_fixtures::component(include_str!("transform.wit"), "transform-plugin", &wat)
}

/// The two steps that there are without a folder.
pub(crate) fn guests() -> [Vec<u8>; 2] {
    let double = "(f64.mul (local.get $value) (f64.const 2))";
    let minus = "(f64.sub (local.get $value) (f64.const 1))";
    [guest("twice", double), guest("minus", minus)]
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let empty = tempfile::tempdir()?;
    let (folder, plugins, names) = match arguments.next() {
        Some(folder) => (folder.into(), Vec::new(), arguments.collect()),
        None => (empty.path().to_owned(), guests().to_vec(), vec!["twice".into(), "minus".into()]),
    };
    let host = host(&folder, &plugins)?;
    let chain = Chain::of(&host, &names)?;
    let batch: Vec<Row> = (0..).map(|id| Row { id, value: 1.5 }).take(BATCH).collect();
    let (began, mut records) = (Instant::now(), 0_usize);
    while began.elapsed() < Duration::from_secs(1) {
        chain.apply(batch.clone())?;
        records += BATCH;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = records as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} records/s through {} plugins, in batches of {BATCH}", names.len());
    Ok(())
}
