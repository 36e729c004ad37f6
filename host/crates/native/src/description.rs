//! A native plugin's description: JSON from foreign code, checked before it is used.

use plugbay_abi::host::Guest;
use plugbay_core::{Description, Reason, Refusal};

/// The longest description, in bytes of JSON: many times that of a plugin with a long schema.
const MAX_DESCRIPTION: usize = 1 << 20;

/// Checks the JSON in which a plugin described itself.
pub(crate) fn read(json: &[u8]) -> Result<Description, Refusal> {
    let broken =
        |message: String| Refusal::new(Reason::Description, format!("describe: {message}"));
    if json.len() > MAX_DESCRIPTION {
        let found = json.len();
        return Err(broken(format!(
            "expected at most {MAX_DESCRIPTION} bytes of JSON, found {found}"
        )));
    }
    let text = std::str::from_utf8(json).map_err(|error| {
        let at = error.valid_up_to();
        broken(format!("expected JSON in UTF-8, found invalid bytes at {at}"))
    })?;
    let description: Description = serde_json::from_str(text)
        .map_err(|error| broken(format!("expected a description as JSON, found: {error}")))?;
    description.check().map_err(|error| broken(error.to_string()))?;
    Ok(description)
}

/// Checks that the plugin has the functions of each kind that it describes.
///
/// # Errors
///
/// The first capability whose kind has none, as a message.
pub(crate) fn check_kinds(description: &Description, guest: &Guest) -> Result<(), String> {
    let missing = |kind: &str| guest.offers(kind) == Some(false);
    match description.capabilities.iter().find(|it| missing(&it.kind)) {
        Some(found) => Err(format!(
            "expected a vtable that lists the kind {0}, for {0}:{1}, found none",
            found.kind, found.name
        )),
        None => Ok(()),
    }
}
