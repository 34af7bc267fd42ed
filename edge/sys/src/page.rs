//! The size of a page of memory, and rounding to it.

/// Bytes of a page.
pub fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// `len` rounded up to whole pages; `None` where that does not fit.
pub fn round_up(len: usize) -> Option<usize> {
    len.checked_next_multiple_of(page_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_rounded_up_to_whole_pages() {
        let page = page_bytes();
        assert_eq!([0, 1, page, page + 1].map(round_up), [0, page, page, 2 * page].map(Some));
        assert_eq!(round_up(usize::MAX), None);
    }
}
