//! A native plugin's description: JSON from foreign code, checked before it is used.

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
