//! The sentence for each outcome, as logs, events and the command line show it.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::outcome::Outcome;
use super::timestamp;

/// The beginning of a digest, enough to compare it with another one.
fn short(digest: &str) -> &str {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { plugin, source, digest, replaces, replaced_digest, took_ms } => {
                // The version says nothing about two files of the same version.
                let old_digest = replaced_digest
                    .as_ref()
                    .filter(|old| *old != digest && replaces.as_ref() == Some(plugin));
                let (new, old) = match old_digest {
                    Some(old) => (format!(" ({})", short(digest)), format!(" ({})", short(old))),
                    None => (String::new(), String::new()),
                };
                write!(f, "loaded {plugin}{new} from {source} in {took_ms} ms")?;
                match replaces {
                    Some(replaced) => write!(f, ", in place of {replaced}{old}"),
                    None => Ok(()),
                }
            }
            Self::Rejected { source, reason, message, hint, .. } => {
                write!(f, "refused {source}: {reason}: {message}")?;
                if hint.is_empty() { Ok(()) } else { write!(f, " ({hint})") }
            }
            Self::Recovered { source } => write!(f, "{source} is no longer refused"),
            Self::Published { plugins, loaded, retired } => {
                write!(f, "{plugins} plugins serve, {loaded} new, {retired} retired")
            }
            Self::Drained { plugin, took_ms } => write!(f, "{plugin} drained in {took_ms} ms"),
            Self::DrainDeadline { plugin, leases, others } => {
                write!(f, "{plugin}: {leases} calls were still in flight at the drain deadline")?;
                if *others > 0 { write!(f, ", and {others} that may reach it") } else { Ok(()) }
            }
            Self::Noticed { plugin, notice } => notice.describe(plugin, f),
            Self::BreakerOpened { plugin, failures, open_ms, because } => write!(
                f,
                "{plugin} failed {failures} times in a row and gets no calls for {open_ms} ms: \
                 {because}"
            ),
            Self::BreakerHalfOpen { plugin } => write!(f, "{plugin} gets a probe call"),
            Self::BreakerClosed { plugin } => write!(f, "{plugin} gets calls again"),
            Self::Unhealthy { plugin, because } => {
                write!(f, "{plugin} is unhealthy and gets no calls: {because}")
            }
            Self::Healthy { plugin } => write!(f, "{plugin} is healthy again"),
            Self::Restarting { plugin, in_ms } => {
                write!(f, "{plugin} restarts in {in_ms} ms")
            }
            Self::CrashLoop { plugin, restarts, because } => write!(
                f,
                "{plugin} is still unhealthy after {restarts} restarts, no more for now: {because}"
            ),
            Self::CanaryStarted { plugin, stable } => {
                write!(f, "canary {plugin} gets its first share of the calls beside {stable}")
            }
            Self::CanaryStep { plugin, percent } => {
                write!(f, "canary {plugin} gets {percent} % of the calls")
            }
            Self::CanaryPromoted { plugin, because } => {
                write!(f, "canary {plugin} promoted to all calls: {because}")
            }
            Self::CanaryEnded { plugin, because } => {
                write!(f, "canary {plugin} ended undecided: {because}")
            }
            Self::CanaryRolledBack { plugin, because } => {
                write!(f, "canary {plugin} rolled back: {because}")
            }
            Self::RolledBack { to } => {
                write!(
                    f,
                    "rolled back to the plugins and configuration of generation {to}; changes are held back"
                )
            }
            Self::Resumed => write!(f, "applying changes again"),
            Self::Operator { action, on, by, sets } => {
                write!(f, "{by} asked for {action} of {on}")?;
                if sets.is_empty() { Ok(()) } else { write!(f, ": {sets}") }
            }
            Self::OverrideDropped { on, switch } => {
                write!(f, "the configuration says of {on} what an operator had switched: {switch}")
            }
            Self::OverridesFile { message } => write!(f, "overrides: {message}"),
            Self::Configured => write!(f, "the new configuration is in force"),
            Self::LastConfig { source, message } => write!(
                f,
                "{source} is refused, and the configuration that was last in force serves: {message}"
            ),
            Self::ConfigWarning(warning) => write!(f, "warning: {warning}"),
            Self::PendingRestart { key } => write!(f, "{key} takes effect after a restart"),
            Self::WatchLost { rescan_ms, message } => {
                let rescan = humantime::format_duration(Duration::from_millis(*rescan_ms));
                write!(
                    f,
                    "file watching unavailable, polling every {rescan} (host.rescan): {message}"
                )
            }
            Self::WatchRestored => write!(f, "file watching works again"),
            Self::CertificateReloaded { .. }
            | Self::CertificateRefused { .. }
            | Self::CertificateExpiring { .. } => certificate(self, f),
        }
    }
}

/// The sentence for an outcome of a certificate.
fn certificate(outcome: &Outcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match outcome {
        Outcome::CertificateReloaded { plane, expires_at } => {
            let expires = timestamp::text(*expires_at);
            write!(f, "the {plane} plane has a new certificate, which expires at {expires}")
        }
        Outcome::CertificateRefused { plane, message, hint } => {
            write!(
                f,
                "the {plane} plane keeps its certificate, because the new one is refused: {message} ({hint})"
            )
        }
        Outcome::CertificateExpiring { plane, file, expires_at } => {
            let at = timestamp::text(*expires_at);
            let expires = if *expires_at <= SystemTime::now() { "expired" } else { "expires" };
            write!(f, "the certificate of the {plane} plane {expires} at {at}: replace {file}")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_with_equal_versions_shows_the_digests() {
        let loaded = |replaces: &str, old: &str| {
            let outcome = Outcome::Loaded {
                plugin: "a@1.0.0".into(),
                source: "a.wasm".into(),
                digest: format!("sha256:{}", "ab".repeat(32)),
                replaces: Some(replaces.into()),
                replaced_digest: Some(format!("sha256:{}", old.repeat(32))),
                took_ms: 7,
            };
            outcome.to_string()
        };
        assert_eq!(
            loaded("a@1.0.0", "cd"),
            "loaded a@1.0.0 (abababababab) from a.wasm in 7 ms, in place of a@1.0.0 (cdcdcdcdcdcd)"
        );
        let plain = |old: &str| format!("loaded a@1.0.0 from a.wasm in 7 ms, in place of {old}");
        assert_eq!(loaded("a@0.9.0", "cd"), plain("a@0.9.0"));
        // Only the configuration changed.
        assert_eq!(loaded("a@1.0.0", "ab"), plain("a@1.0.0"));
    }
}
