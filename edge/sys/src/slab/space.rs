//! Which pages of a slab are free. Pure arithmetic; the pages themselves are elsewhere.

use std::collections::BTreeMap;

/// Pages that lie together: the first and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) pages: usize,
}

/// The free spans of a slab, by their first page. No two touch.
#[derive(Debug)]
pub(super) struct Space {
    free: BTreeMap<usize, usize>,
}

impl Space {
    /// `pages` free pages.
    pub(super) fn new(pages: usize) -> Self {
        Self { free: BTreeMap::from([(0, pages)]) }
    }

    /// Takes `pages` pages from the smallest span that has them, so that large ones last. Cost: one look at each.
    pub(super) fn take(&mut self, pages: usize) -> Option<Span> {
        let spans = self.free.iter().map(|(first, len)| (*len, *first));
        let (len, first) = spans.filter(|(len, _)| *len >= pages).min()?;
        self.free.remove(&first);
        let left = len.saturating_sub(pages);
        if left > 0 {
            self.free.insert(first.saturating_add(pages), left);
        }
        Some(Span { first, pages })
    }

    /// Gives `span`, which was taken, back, and joins it with what it touches.
    pub(super) fn give(&mut self, span: Span) {
        let Span { mut first, mut pages } = span;
        let end = first.saturating_add(pages);
        if let Some(after) = self.free.remove(&end) {
            pages = pages.saturating_add(after);
        }
        let before = self.free.range(..first).next_back().map(|(first, len)| (*first, *len));
        if let Some((before, len)) = before.filter(|(before, len)| before.saturating_add(*len) == first) {
            first = before;
            pages = pages.saturating_add(len);
        }
        self.free.insert(first, pages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_come_from_the_smallest_hole_and_join_when_given_back() {
        let mut space = Space::new(10);
        let [a, b, c] = [3, 2, 4].map(|pages| space.take(pages).unwrap());
        assert_eq!((a.first, b.first, c.first), (0, 3, 5));
        space.give(b);
        assert_eq!(space.take(1), Some(Span { first: 9, pages: 1 }), "the smaller hole");
        assert_eq!(space.take(3), None);
        space.give(a);
        assert_eq!(space.take(5), Some(Span { first: 0, pages: 5 }), "two holes that touch are one");
        space.give(c);
        space.give(Span { first: 0, pages: 5 });
        space.give(Span { first: 9, pages: 1 });
        assert_eq!(space.free, BTreeMap::from([(0, 10)]));
    }
}
