//! "Did you mean …?"

/// The candidate that is near enough to `wrong` to be what was meant.
///
/// Near means: at most a third of the letters differ (at least one, at most four), swapped
/// neighbours counting as one; or one name is the beginning of the other.
pub(crate) fn nearest<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = fold(wrong);
    if wrong.is_empty() || wrong.len() > 128 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate);
            let distance = strsim::damerau_levenshtein(&wrong, &folded);
            let longest = wrong.chars().count().max(folded.chars().count());
            let begins = folded.starts_with(&wrong) || wrong.starts_with(&folded);
            let near = distance <= (longest / 3).clamp(1, 4);
            (near || (begins && wrong.len() >= 3 && folded.len() >= 3))
                .then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `max-body` and `Max_Body` are `max_body`.
fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}
