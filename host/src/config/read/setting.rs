//! Reads a value of the tree as a type.

use std::path::PathBuf;
use std::time::Duration;

use plugbay_core::{Isolation, Reuse};

use super::tree::{Node, Value};
use crate::config::problem::render;
use crate::config::value::duration;
use crate::config::value::listen::{ListenAddress, ListenAddressError};
use crate::config::value::peer::Peer;
use crate::config::value::protocol::SpanProtocol;
use crate::config::value::rate::Rate;
use crate::config::value::size::{Size, SizeError};

/// Why a value was refused.
pub(crate) enum BadValue {
    /// The value has another type.
    Type,
    /// The value has the right type, but is not valid: what was found, and what to do.
    Value { found: String, hint: Option<String> },
}

/// The type of a key's value.
pub(crate) trait Setting: Sized {
    /// What is expected, with an article: `a duration such as "30s"`.
    const EXPECTED: &'static str;

    fn from_node(node: &Node) -> Result<Self, BadValue>;

    /// The value as an operator would write it.
    fn show(&self) -> String;
}

/// The text of a string, or of a variable or flag.
pub(crate) fn text(node: &Node) -> Result<&str, BadValue> {
    match &node.value {
        Value::String(text) | Value::Text(text) => Ok(text),
        _ => Err(BadValue::Type),
    }
}

fn value(found: impl Into<String>, hint: Option<&str>) -> BadValue {
    BadValue::Value { found: found.into(), hint: hint.map(str::to_owned) }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_node(node: &Node) -> Result<bool, BadValue> {
        match &node.value {
            Value::Boolean(yes) => Ok(*yes),
            Value::Text(text) => text.trim().parse().map_err(|_| BadValue::Type),
            _ => Err(BadValue::Type),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A whole number that is not negative.
fn whole(node: &Node, max: u64) -> Result<u64, BadValue> {
    let number = match &node.value {
        Value::Integer(number) => *number,
        Value::Text(text) => text.trim().parse().map_err(|_| BadValue::Type)?,
        _ => return Err(BadValue::Type),
    };
    let fits = u64::try_from(number).ok().filter(|&number| number <= max);
    fits.ok_or_else(|| {
        let bound = if number < 0 { "0 or more".to_owned() } else { format!("at most {max}") };
        value(format!("the integer {number}"), Some(&format!("write {bound}")))
    })
}

impl Setting for u8 {
    const EXPECTED: &'static str = "a whole number";

    fn from_node(node: &Node) -> Result<u8, BadValue> {
        whole(node, u64::from(u8::MAX)).map(|number| u8::try_from(number).unwrap_or(u8::MAX))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn from_node(node: &Node) -> Result<u32, BadValue> {
        whole(node, u64::from(u32::MAX)).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    const EXPECTED: &'static str = "a whole number";

    fn from_node(node: &Node) -> Result<u64, BadValue> {
        whole(node, u64::MAX)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for f64 {
    const EXPECTED: &'static str = "a number";

    #[expect(clippy::cast_precision_loss, reason = "numbers that large are out of every range")]
    fn from_node(node: &Node) -> Result<f64, BadValue> {
        let number = match &node.value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            Value::Text(text) => text.trim().parse().map_err(|_| BadValue::Type)?,
            _ => return Err(BadValue::Type),
        };
        if number.is_finite() { Ok(number) } else { Err(value(number.to_string(), None)) }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";

    fn from_node(node: &Node) -> Result<String, BadValue> {
        text(node).map(str::to_owned)
    }

    fn show(&self) -> String {
        render::quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_node(node: &Node) -> Result<PathBuf, BadValue> {
        match text(node)? {
            "" => Err(value("an empty string", Some("write \".\" for the folder of the file"))),
            text if text.contains('\0') => Err(value("a path with a zero byte", None)),
            text => Ok(PathBuf::from(text)),
        }
    }

    fn show(&self) -> String {
        render::quoted(&self.to_string_lossy())
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\"";

    fn from_node(node: &Node) -> Result<Duration, BadValue> {
        if let Value::Integer(number) = &node.value {
            return Err(value(
                format!("the integer {number} without a unit"),
                Some(&format!(
                    "write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"
                )),
            ));
        }
        duration::parse(text(node)?).map_err(|found| {
            value(found, Some("units: ms, s, m (minutes), h, days; several may follow each other"))
        })
    }

    fn show(&self) -> String {
        format!("{:?}", duration::show(*self))
    }
}

impl Setting for Size {
    const EXPECTED: &'static str = "a size such as \"64MiB\", \"8MB\" or \"1024\"";

    fn from_node(node: &Node) -> Result<Size, BadValue> {
        if let Value::Integer(number) = &node.value {
            let bytes = u64::try_from(*number).map_err(|_| {
                value(format!("the integer {number}"), Some("write 0 or more bytes"))
            })?;
            return Ok(Size::bytes(bytes));
        }
        let text = text(node)?;
        text.parse().map_err(|error| {
            let hint = match error {
                SizeError::Fraction => {
                    "write a whole number of a smaller unit: \"1536MiB\" for one and a half GiB"
                }
                _ => "units: B, KB, MB, GB, TB (1000) and KiB, MiB, GiB, TiB (1024)",
            };
            value(render::quoted(text), Some(hint))
        })
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for ListenAddress {
    const EXPECTED: &'static str = "an address and port such as \"127.0.0.1:7070\"";

    fn from_node(node: &Node) -> Result<ListenAddress, BadValue> {
        let text = text(node)?;
        text.trim().parse().map_err(|error| {
            let hint = match text.rsplit_once(':') {
                _ if error != ListenAddressError::Address => {
                    format!("{error}, such as \"unix:/run/plugbay.sock\"")
                }
                Some(("localhost", port)) => {
                    format!("names are not resolved; write \"127.0.0.1:{port}\"")
                }
                Some(("" | "*", port)) => format!("for every interface write \"0.0.0.0:{port}\""),
                _ => {
                    "names are not resolved; write an IPv4 address, or an IPv6 address in brackets \
                      such as \"[::1]:7070\", and a port"
                        .to_owned()
                }
            };
            value(render::quoted(text), Some(&hint))
        })
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for Isolation {
    const EXPECTED: &'static str = "\"refuse\", \"process\" or \"in-process\"";

    fn from_node(node: &Node) -> Result<Isolation, BadValue> {
        let all = [Isolation::Refuse, Isolation::Process, Isolation::InProcess];
        let found = text(node)?;
        all.into_iter().find(|isolation| isolation.as_str() == found).ok_or_else(|| {
            value(
                render::quoted(found),
                Some(
                    "for native libraries; refuse: none is loaded; process: each in a worker \
                     process; in-process: in the host itself, which it can crash",
                ),
            )
        })
    }

    fn show(&self) -> String {
        render::quoted(self.as_str())
    }
}

impl Setting for Rate {
    const EXPECTED: &'static str = "a rate such as \"100/s\" or \"1000/h\"";

    fn from_node(node: &Node) -> Result<Rate, BadValue> {
        let text = text(node)?;
        text.parse().map_err(|_| {
            let hint = "write a number of requests, a slash and a time of 1ms to 1day: \"100/s\", \"30/3s\"; \
                        \"\" is no limit";
            value(render::quoted(text), Some(hint))
        })
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for Peer {
    const EXPECTED: &'static str = "a network such as \"10.0.0.0/8\"";

    fn from_node(node: &Node) -> Result<Peer, BadValue> {
        let text = text(node)?;
        text.parse().map_err(|_| {
            let hint = "write an address, or the first address of a network and the length of its prefix, \
                        or \"unix\" for clients of Unix sockets";
            value(render::quoted(text), Some(hint))
        })
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for SpanProtocol {
    const EXPECTED: &'static str = "\"grpc\" or \"http\"";

    fn from_node(node: &Node) -> Result<SpanProtocol, BadValue> {
        match text(node)? {
            "grpc" => Ok(SpanProtocol::Grpc),
            "http" => Ok(SpanProtocol::Http),
            other => Err(value(render::quoted(other), None)),
        }
    }

    fn show(&self) -> String {
        render::quoted(self.as_str())
    }
}

impl Setting for Reuse {
    const EXPECTED: &'static str = "\"pooled\" or \"fresh\"";

    fn from_node(node: &Node) -> Result<Reuse, BadValue> {
        match text(node)? {
            "pooled" => Ok(Reuse::Pooled),
            "fresh" => Ok(Reuse::Fresh),
            other => Err(value(
                render::quoted(other),
                Some(
                    "pooled: instances serve many calls and keep their memory; \
                     fresh: every call gets a new instance",
                ),
            )),
        }
    }

    fn show(&self) -> String {
        match self {
            Reuse::Pooled => "\"pooled\"".to_owned(),
            Reuse::Fresh => "\"fresh\"".to_owned(),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = "an array";

    fn from_node(node: &Node) -> Result<Vec<T>, BadValue> {
        let Value::Array(items) = &node.value else {
            return Err(BadValue::Type);
        };
        items.iter().map(T::from_node).collect()
    }

    fn show(&self) -> String {
        let items: Vec<String> = self.iter().map(T::show).collect();
        format!("[{}]", items.join(", "))
    }
}
