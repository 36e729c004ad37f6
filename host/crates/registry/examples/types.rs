//! A configuration of alert rules, each of a type that it names itself.
//!
//! `cargo run -p plugbay-registry --example types`

use std::error::Error;

use plugbay_registry::Types;
use serde::Deserialize;
use serde_json::{Value, json};

trait Alert {
    fn fires(&self, values: &[f64]) -> bool;
}

#[derive(Deserialize)]
struct Above {
    limit: f64,
}

impl Alert for Above {
    fn fires(&self, values: &[f64]) -> bool {
        values.last().is_some_and(|value| *value > self.limit)
    }
}

#[derive(Deserialize)]
struct Silent {
    after: usize,
}

impl Alert for Silent {
    fn fires(&self, values: &[f64]) -> bool {
        values.iter().rev().take_while(|value| **value == 0.0).count() >= self.after
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let alerts = Types::<Value, Box<dyn Alert>, serde_json::Error>::new("alert", |document| {
        document.get("kind")?.as_str()
    });
    alerts.register_type("above", |alert: Above| Box::new(alert))?;
    alerts.register_type("silent", |alert: Silent| Box::new(alert))?;

    for document in [
        json!({ "kind": "above", "limit": 10.0 }),
        json!({ "kind": "silent", "after": 2 }),
        json!({ "kind": "abov", "limit": 10.0 }),
        json!({ "kind": "above" }),
        json!({ "limit": 10.0 }),
    ] {
        match alerts.read(document) {
            Ok(alert) => println!("fires: {}", alert.fires(&[12.0, 0.0, 0.0])),
            Err(error) => println!("refused: {error}"),
        }
    }
    Ok(())
}
