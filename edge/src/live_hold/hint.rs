//! Which resource a preload hint means (RFC 3986 §5.2, for references to the same host).

/// The path and query that `reference` means in a playlist at `base`, a path. `None` for what lies on another host, and
/// for what is no reference to a file.
pub(super) fn resolve(base: &str, reference: &str) -> Option<String> {
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let first_segment = path.split('/').next().unwrap_or_default();
    if path.is_empty() || path.starts_with("//") || first_segment.contains(':') || reference.contains('#') {
        return None;
    }
    let mut segments: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => {
            let folder = base.rsplit_once('/').map(|(folder, _)| folder)?;
            folder.split('/').skip(1).collect()
        }
    };
    let mut is_folder = false;
    for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
        is_folder = matches!(segment, "." | ".." | "");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    if is_folder {
        return None;
    }
    let mut target = String::with_capacity(base.len().saturating_add(reference.len()));
    for segment in segments {
        target.push('/');
        target.push_str(segment);
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    Some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_the_folder_of_the_playlist() {
        for (reference, expected) in [
            ("7.2.m4s", Some("/live/a/7.2.m4s")),
            ("./7.2.m4s", Some("/live/a/7.2.m4s")),
            ("../b/7.2.m4s?x=/../", Some("/live/b/7.2.m4s?x=/../")),
            ("../../../../7.m4s", Some("/7.m4s")),
            ("/other/7.m4s", Some("/other/7.m4s")),
            ("v1/7:2.m4s", Some("/live/a/v1/7:2.m4s")),
            ("//host/7.m4s", None),
            ("https://host/7.m4s", None),
            ("7:2.m4s", None),
            ("", None),
            ("?x", None),
            ("..", None),
            ("v1/", None),
            ("7.m4s#t", None),
        ] {
            assert_eq!(resolve("/live/a/playlist.m3u8", reference).as_deref(), expected, "{reference}");
        }
        assert_eq!(resolve("/playlist.m3u8", "7.m4s").as_deref(), Some("/7.m4s"));
    }
}
