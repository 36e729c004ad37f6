//! Which addresses a page may lead to.

/// Whether a link may lead there: `http`, `https` or `mailto`, or relative to the page.
pub(crate) fn is_safe_link(url: &str) -> bool {
    is_plain(url)
        && scheme(url).is_none_or(|scheme| is_one_of(scheme, &["http", "https", "mailto"]))
}

/// Whether an image may come from there: `http` or `https`, or relative to the page.
pub(crate) fn is_safe_image(url: &str) -> bool {
    is_plain(url) && scheme(url).is_none_or(|scheme| is_one_of(scheme, &["http", "https"]))
}

/// Browsers drop tabs, line breaks and leading spaces before they look for the scheme. With none
/// of them in the address, what we look at is what they look at.
fn is_plain(url: &str) -> bool {
    !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What stands before the first colon, if that colon comes before any path, query or fragment.
fn scheme(url: &str) -> Option<&str> {
    let end = url.find(['/', '\\', '?', '#', ':'])?;
    url[end..].starts_with(':').then(|| &url[..end])
}

fn is_one_of(scheme: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}
