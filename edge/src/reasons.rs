//! What went wrong, in one line for people.

use std::error::Error;

/// An error with its causes, from the general to the particular.
pub fn reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn causes_stand_behind_what_they_caused() {
        let layer = |text, source: Option<Layer>| Layer { text, source: source.map(Box::new) };
        assert_eq!(reasons(&layer("refused", None)), "refused");
        let error = layer("no answer", Some(layer("no connection", Some(layer("refused", None)))));
        assert_eq!(reasons(&error), "no answer: no connection: refused");
    }
}
