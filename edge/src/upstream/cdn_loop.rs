//! Requests that come back to who sent them (RFC 8586): each node adds its name, and refuses what has it already.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::config::is_name;
use crate::quoting::split_outside_quotes;

/// The header.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// A request that went through so many nodes is in a loop, whoever they are.
pub const NODES_MAX: usize = 16;

/// What this node is called in `CDN-Loop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopName(HeaderValue);

impl LoopName {
    /// Of a node of this name. `None` when it is none: 1 to [`NAME_BYTES_MAX`] letters, digits, dots, underscores or
    /// hyphens.
    ///
    /// [`NAME_BYTES_MAX`]: super::config::NAME_BYTES_MAX
    pub fn new(node: &str) -> Option<Self> {
        let value = HeaderValue::try_from(format!("rillcast-{node}")).ok()?;
        is_name(node).then_some(Self(value))
    }

    /// Whether a request with these headers came through this node before, or through too many others. Answer it
    /// with 508, and ask nobody.
    pub fn is_looping(&self, headers: &HeaderMap) -> bool {
        let nodes = headers.get_all(CDN_LOOP).iter().flat_map(|value| nodes(value.as_bytes()));
        let mut count: usize = 0;
        for node in nodes {
            count = count.saturating_add(1);
            if count > NODES_MAX || node.eq_ignore_ascii_case(self.0.as_bytes()) {
                return true;
            }
        }
        false
    }

    pub(super) fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// The names in a list of `name *( ";" parameter )`; a parameter's value may be a quoted string with commas in it.
fn nodes(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    let elements = std::iter::from_fn(move || {
        let element;
        (element, rest) = (!rest.is_empty()).then(|| split_outside_quotes(rest, b','))?;
        Some(element)
    });
    let names =
        elements.map(|element| element.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii());
    names.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_looping(values: &[&str]) -> bool {
        let values = values.iter().map(|value| (CDN_LOOP, HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        LoopName::new("edge-1").unwrap().is_looping(&headers)
    }

    #[test]
    fn a_request_with_our_name_has_come_back() {
        for values in [
            &["rillcast-edge-1"][..],
            &["RILLCAST-EDGE-1"],
            &["a, rillcast-edge-1, b"],
            &["a", "b ,rillcast-edge-1;v=1"],
            &["a;q=\"x, \\\" y\" , rillcast-edge-1"],
        ] {
            assert!(is_looping(values), "{values:?}");
        }
    }

    #[test]
    fn other_names_and_quoted_text_are_not_ours() {
        for values in [
            &[][..],
            &[""],
            &[",, ,"],
            &["rillcast-edge-10, rillcast-edge"],
            &["a;by=rillcast-edge-1"],
            &["a;by=\"x, rillcast-edge-1, y\""],
            &["a;by=\"x\\\", rillcast-edge-1, \""],
        ] {
            assert!(!is_looping(values), "{values:?}");
        }
    }

    #[test]
    fn a_request_through_too_many_nodes_is_in_a_loop() {
        let most = vec!["x"; NODES_MAX].join(",");
        assert!(!is_looping(&[&most]));
        assert!(is_looping(&[&most, "y"]));
    }
}
