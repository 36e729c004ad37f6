//! The addresses that are safe in a page.

/// Whether the address is safe for a link: `http`, `https` or `mailto`, or relative to the page.
pub(crate) fn is_safe_link(url: &str) -> bool {
    is_plain(url)
        && scheme(url).is_none_or(|scheme| is_one_of(scheme, &["http", "https", "mailto"]))
}

/// Whether the address is safe for an image: `http` or `https`, or relative to the page.
pub(crate) fn is_safe_image(url: &str) -> bool {
    is_plain(url) && scheme(url).is_none_or(|scheme| is_one_of(scheme, &["http", "https"]))
}

/// Whether the address has no white space and no control characters. Browsers remove some of these
/// before they read the scheme, and could then read another one than [`scheme`].
fn is_plain(url: &str) -> bool {
    !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// The text before the first colon, if that colon comes before any path, query or fragment.
fn scheme(url: &str) -> Option<&str> {
    let end = url.find(['/', '\\', '?', '#', ':'])?;
    url[end..].starts_with(':').then(|| &url[..end])
}

fn is_one_of(scheme: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}
