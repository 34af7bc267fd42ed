//! Text with quoted strings in it (RFC 9110 §5.6.4): separators count outside of quotes only.

/// Splits at the first `separator` outside quotes, which is left out; all of `text` and nothing where there is none.
pub(crate) fn split_outside_quotes(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.iter().position(|byte| {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => return !is_quoted && *byte == separator,
        }
        false
    });
    let Some((before, after)) = end.and_then(|end| text.split_at_checked(end)) else { return (text, b"") };
    (before, after.get(1..).unwrap_or_default())
}
