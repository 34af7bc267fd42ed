//! An AAC access unit without sound: every element there, no spectrum in any.
//!
//! ```text
//! single, LFE:  id 3 | tag 4 | gain 8 | ics_info 11 | pulse, TNS, gain control 3
//! pair:         id 3 | tag 4 | common window 1 | ics_info 11 | mid/side 2 | (gain 8 | 3) twice
//! ```
//!
//! `ics_info` says: a long window with no scale factor band, which leaves out all that would follow. SBR
//! and parametric stereo are extensions that a frame may lack.
//!
//! Spec: ISO/IEC 14496-3 clauses 4.4.2.1 (raw_data_block), 4.4.2.7 (ics_info); which elements a channel
//! configuration has is table 1.19.

use bytes::Bytes;

/// Single channel element.
const SCE: u8 = 0;
/// Channel pair element.
const CPE: u8 = 1;
/// Low frequency channel element.
const LFE: u8 = 3;
/// End of the access unit.
const END: u8 = 7;

/// The elements of `channel_configuration`, in order.
const fn elements(channel_configuration: u8) -> Option<&'static [u8]> {
    Some(match channel_configuration {
        1 => &[SCE],
        2 => &[CPE],
        3 => &[SCE, CPE],
        4 => &[SCE, CPE, SCE],
        5 => &[SCE, CPE, CPE],
        6 => &[SCE, CPE, CPE, LFE],
        7 | 12 => &[SCE, CPE, CPE, CPE, LFE],
        11 => &[SCE, CPE, CPE, SCE, LFE],
        14 => &[SCE, CPE, CPE, LFE, CPE],
        _ => return None,
    })
}

/// The access unit for `channel_configuration`; `None` if its elements are not known from the number.
pub(super) fn frame(channel_configuration: u8) -> Option<Bytes> {
    let mut bits = Bits::default();
    let mut tags = [0u8; 4];
    for element in elements(channel_configuration)? {
        let tag = tags.get_mut(usize::from(*element))?;
        bits.put(3, *element);
        bits.put(4, *tag);
        *tag += 1;
        if *element == CPE {
            bits.put(1, 1);
            bits.put(11, 0);
            bits.put(2, 0);
            bits.put(11, 0);
            bits.put(11, 0);
        } else {
            bits.put(8, 0);
            bits.put(11, 0);
            bits.put(3, 0);
        }
    }
    bits.put(3, END);
    Some(bits.bytes.into())
}

/// Bits in the order they are written; the last byte is filled with zeros.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    /// Appends the low `width` bits of `value`; those above its eighth are zeros.
    fn put(&mut self, width: u32, value: u8) {
        for bit in (0..width).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            let set = value.checked_shr(bit).unwrap_or(0) & 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= set << self.free;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::frame;
    use crate::bits::writer::hex;

    #[test]
    fn elements_stand_in_the_order_of_the_channel_configuration() {
        // 29 bits of one channel, 43 of a pair, whose first byte is 001 0000 1; then 111.
        for (configuration, expected) in [
            (1, "00000007"),
            (2, "21000000001c"),
            // A single channel, a pair that starts at bit 29, a single with tag 1 at bit 72, the end at 101.
            (4, "00000001080000000002000007"),
        ] {
            assert_eq!(frame(configuration).expect("known"), hex(expected), "{configuration}");
        }
        for configuration in [0, 8, 9, 10, 13, 15] {
            assert_eq!(frame(configuration), None);
        }
    }
}
