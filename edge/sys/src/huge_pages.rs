//! Which memory lies in huge pages: pools that ask for them, and nothing else.
//!
//! A connection that waits has a few buffers of which it has touched a page. In huge pages, which a system may give to
//! all that is large enough (`transparent_hugepage/enabled` says `always`), it pays for every byte of them.

use std::ffi::{c_int, c_ulong};

/// `PR_THP_DISABLE_EXCEPT_ADVISED` of `linux/prctl.h`: `MADV_HUGEPAGE` counts all the same.
const EXCEPT_ADVISED: c_ulong = 1 << 1;
const NONE: c_ulong = 0;

/// From now on memory of this process lies in huge pages only where it asked for them (`MADV_HUGEPAGE`). What has some
/// keeps them. `false` where the kernel, one before 6.18, has no such rule; nothing is changed then.
pub fn only_where_asked() -> bool {
    let yes: c_ulong = 1;
    // SAFETY: this call takes integers only, all of the width that the kernel reads, and touches no memory of ours; the
    // three arguments that it does not know are zero, as it wants them.
    let result: c_int = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, yes, EXCEPT_ADVISED, NONE, NONE) };
    result == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_in_force_where_it_was_taken() {
        let was_taken = only_where_asked();
        // SAFETY: as above.
        let rule: c_int = unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, NONE, NONE, NONE, NONE) };
        // Bit 0: there is a rule; bit 1: what asks for them is excepted.
        assert_eq!(rule, if was_taken { 0b11 } else { 0 });
    }
}
