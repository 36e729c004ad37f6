//! The names that descriptions take, and the collisions among them.

use std::collections::BTreeMap;

use crate::described::Described;
use crate::family::is_metric_name;

/// The names and namespaces that a set of descriptions takes, each with a description that takes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    names: BTreeMap<String, String>,
    namespaces: Vec<String>,
}

/// A name that two descriptions take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    /// The description that comes second.
    pub(crate) wanted: String,
    /// The name that it would take.
    pub(crate) name: String,
    /// The description that has it.
    pub(crate) holder: String,
}

impl Claims {
    /// The claims of one collector.
    ///
    /// # Errors
    ///
    /// If two of its descriptions take the same name.
    pub(crate) fn of(described: &[Described]) -> Result<Self, Clash> {
        let mut claims = Self::default();
        for one in described {
            let mut single = Self::default();
            match one {
                Described::Namespace(prefix) => single.namespaces.push(prefix.clone()),
                Described::Family(family) => {
                    let names = family.claims().into_iter();
                    single.names = names.map(|name| (name, family.name().to_owned())).collect();
                }
            }
            if let Some(clash) = claims.clash(&single) {
                return Err(clash);
            }
            claims.extend(single);
        }
        Ok(claims)
    }

    /// Adds claims, which must not clash with these.
    pub(crate) fn extend(&mut self, mut others: Self) {
        self.names.append(&mut others.names);
        self.namespaces.append(&mut others.namespaces);
    }

    /// A name that `others` would take and that is taken here, if there is one.
    pub(crate) fn clash(&self, others: &Self) -> Option<Clash> {
        let clash = |wanted: &str, name: &str, holder: &str| Clash {
            wanted: wanted.to_owned(),
            name: name.to_owned(),
            holder: holder.to_owned(),
        };
        for (name, wanted) in &others.names {
            if let Some(holder) = self.names.get(name) {
                return Some(clash(wanted, name, holder));
            }
            if let Some(prefix) = self.namespaces.iter().find(|it| name.starts_with(it.as_str())) {
                return Some(clash(wanted, name, &namespace(prefix)));
            }
        }
        for wanted in &others.namespaces {
            let mut within = self.names.range(wanted.clone()..);
            if let Some((name, holder)) = within.next()
                && name.starts_with(wanted.as_str())
            {
                return Some(clash(&namespace(wanted), name, holder));
            }
            let overlaps =
                |it: &&String| it.starts_with(wanted.as_str()) || wanted.starts_with(it.as_str());
            if let Some(prefix) = self.namespaces.iter().find(overlaps) {
                return Some(clash(&namespace(wanted), prefix, &namespace(prefix)));
            }
        }
        None
    }
}

/// A namespace, as errors write it.
fn namespace(prefix: &str) -> String {
    format!("{prefix}*")
}

/// What is wrong with a description, if anything is.
pub(crate) fn problem(described: &Described) -> Option<String> {
    match described {
        Described::Family(family) => family.problem(),
        Described::Namespace(prefix) if is_metric_name(prefix) && prefix.ends_with('_') => None,
        Described::Namespace(prefix) => Some(format!(
            "expected a namespace of letters, digits, _ and : that ends in _, found {prefix:?}"
        )),
    }
}
