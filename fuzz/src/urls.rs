//! Paths of requests: what they name has one name, and lies below the media root.

use std::path::{Component, Path};

use rillcast_origin::asset_path::{AssetPath, MAX_COMPONENTS, MAX_PATH_BYTES};
use rillcast_origin::locator::{Locator, PREFIX};

/// The path of a request: a locator prints itself as a URL that means the same.
pub fn locator(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    let Ok(locator) = Locator::parse(path) else { return };
    let text = locator.to_string();
    assert!(text.starts_with(PREFIX) && is_url_path(&text), "{text}");
    let again = Locator::parse(&text).expect("what it prints it parses");
    assert_eq!((&again, again.to_string(), again.class()), (&locator, text, locator.class()));
    assert_stays_inside(locator.asset());
}

/// The path of an asset, both as it stands in a URL and decoded.
pub fn asset_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for parsed in [AssetPath::new(text), AssetPath::from_encoded(text.split('/'))].into_iter().flatten() {
        assert_stays_inside(&parsed);
        let encoded = parsed.to_string();
        assert!(is_url_path(&encoded) && !encoded.contains('~'), "{encoded}");
        assert_eq!(AssetPath::from_encoded(encoded.split('/')).as_ref(), Ok(&parsed));
        assert_eq!(AssetPath::new(parsed.as_str()).as_ref(), Ok(&parsed));
    }
}

/// Visible ASCII without what would end a path or quote it (RFC 3986 §3.3).
fn is_url_path(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"#<>?[\\]^`{|}".contains(&byte))
}

fn assert_stays_inside(asset: &AssetPath) {
    let path = asset.to_path();
    let root = Path::new("/media/root");
    assert!(path.is_relative() && root.join(&path).starts_with(root), "{path:?}");
    let mut count = 0;
    for component in path.components() {
        let Component::Normal(name) = component else { unreachable!("{path:?} has {component:?}") };
        let name = name.to_str().expect("of text");
        assert!(!name.is_empty() && !name.starts_with('.'), "{path:?}");
        assert!(!name.contains(|c: char| c.is_control() || c == '/' || c == '\\'), "{path:?}");
        count += 1;
    }
    assert!((1..=MAX_COMPONENTS).contains(&count) && asset.as_str().len() <= MAX_PATH_BYTES);
    assert_eq!(path.to_str(), Some(asset.as_str()));
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(asset.file_name()));
}
