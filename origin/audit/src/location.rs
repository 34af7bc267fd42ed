//! Resolves URI references (RFC 3986 §5.2), as far as playlists need it.

/// Absolute URL of `reference` as met in the document at `base`, without fragment.
///
/// `None` when `base` is no absolute hierarchical URL or the reference is empty or holds blanks or
/// control characters. Cost: O(length).
pub fn resolve(base: &str, reference: &str) -> Option<String> {
    if reference.is_empty()
        || reference.chars().any(|c| c.is_control() || c == ' ' || "<>\"{}\\^`".contains(c))
    {
        return None;
    }
    let reference = reference.split('#').next().unwrap_or_default();
    if scheme(reference).is_some() {
        return Some(reference.to_owned());
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(authority) = reference.strip_prefix("//") {
        return Some(format!("{scheme}://{authority}"));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let before_query = rest.split('?').next().unwrap_or_default();
    let (authority, path) = match before_query.split_once('/') {
        Some((authority, path)) => (authority, path),
        None => (before_query, ""),
    };
    let (ref_path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let merged = if let Some(absolute) = ref_path.strip_prefix('/') {
        absolute.to_owned()
    } else if ref_path.is_empty() {
        path.to_owned()
    } else {
        match path.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{ref_path}"),
            None => ref_path.to_owned(),
        }
    };
    let mut url = format!("{scheme}://{authority}/{}", without_dots(&merged));
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    Some(url)
}

/// The scheme of `reference`, when it has one (RFC 3986 §3.1).
pub(crate) fn scheme(reference: &str) -> Option<&str> {
    let (scheme, _) = reference.split_once(':')?;
    let mut chars = scheme.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    (starts_well && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))).then_some(scheme)
}

/// Adds `pair` to the query of `url`.
pub(crate) fn with_query(url: &str, pair: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{pair}")
}

/// Removes `.` and `..` (RFC 3986 §5.2.4) of a path without its leading slash.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_resolve_as_rfc_3986_says() {
        let base = "http://h/b/c/d.m3u8?q=1";
        for (reference, expected) in [
            ("g", "http://h/b/c/g"),
            ("./g", "http://h/b/c/g"),
            ("../g", "http://h/b/g"),
            ("../../../g", "http://h/g"),
            ("/g", "http://h/g"),
            ("//x/g", "http://x/g"),
            ("g?y=2", "http://h/b/c/g?y=2"),
            ("?y", "http://h/b/c/d.m3u8?y"),
            ("g#s", "http://h/b/c/g"),
            ("https://k/g", "https://k/g"),
            ("..", "http://h/b/"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Some(expected), "{reference}");
        }
        assert_eq!(resolve("http://h", "g").as_deref(), Some("http://h/g"));
        for bad in ["", "a b", "a\"b", "a\u{1}"] {
            assert_eq!(resolve(base, bad), None, "{bad:?}");
        }
    }
}
