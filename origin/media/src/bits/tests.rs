use std::borrow::Cow;

use proptest::prelude::*;

use super::writer::{BitWriter, hex};
use super::*;

#[test]
fn widths_cross_byte_borders() {
    let bytes = [0b1010_0101, 0xff, 0x00, 0x80, 0x01];
    let mut reader = BitReader::new(&bytes);
    assert_eq!(reader.u8(3), Ok(0b101));
    assert_eq!(reader.u16(9), Ok(0b0_0101_1111));
    assert_eq!(reader.position(), 12);
    reader.byte_align();
    assert_eq!(reader.position(), 16);
    reader.byte_align();
    assert_eq!(reader.position(), 16);
    assert_eq!(reader.u32(24), Ok(0x8001));
    assert_eq!(reader.remaining(), 0);
    reader.byte_align();
    assert_eq!(reader.flag(), Err(BitsError::End { at_bit: 40, wanted: 1, left: 0 }));
}

#[test]
fn a_full_word_and_no_bits_are_widths_too() {
    let mut reader = BitReader::new(&[0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(reader.u32(0), Ok(0));
    assert_eq!(reader.u32(32), Ok(0xffff_fffe));
}

#[test]
fn exp_golomb_codes_are_those_of_table_9_2() {
    let expected = [(0, 0), (1, 1), (2, -1), (3, 2), (4, -2), (5, 3), (6, -3), (7, 4), (8, -4)];
    for (code, signed) in expected {
        let bytes = BitWriter::default().ue(code).ue(code).bytes();
        let mut reader = BitReader::new(&bytes);
        assert_eq!(reader.ue(), Ok(code));
        assert_eq!(reader.se(), Ok(signed));
    }
    assert_eq!(BitReader::new(&[0b0010_1000]).ue(), Ok(4));
}

#[test]
fn the_longest_exp_golomb_code_is_read_and_the_next_refused() {
    let longest = hex("00000001 ffffffff");
    let mut reader = BitReader::new(&longest);
    assert_eq!(reader.ue(), Ok(u32::MAX - 1));
    assert_eq!(reader.position(), 63);
    assert_eq!(BitReader::new(&longest).se(), Ok(-0x7fff_ffff));
    let mut reader = BitReader::new(&[0x80, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    reader.skip(1).unwrap();
    assert_eq!(reader.ue(), Err(BitsError::GolombTooLong { at_bit: 1 }));
    assert_eq!(reader.position(), 1);
}

#[test]
fn a_failed_read_does_not_move() {
    let mut reader = BitReader::new(&[0b0001_0000]);
    reader.skip(2).unwrap();
    assert_eq!(reader.u8(7), Err(BitsError::End { at_bit: 2, wanted: 7, left: 6 }));
    assert_eq!(reader.skip(7), Err(BitsError::End { at_bit: 2, wanted: 7, left: 6 }));
    assert_eq!(reader.bytes(1), Err(BitsError::Unaligned { at_bit: 2 }));
    reader.skip(2).unwrap();
    assert_eq!(BitReader::new(&[0x01]).ue(), Err(BitsError::End { at_bit: 8, wanted: 7, left: 0 }));
    let mut reader = BitReader::new(&[0x81]);
    reader.skip(1).unwrap();
    assert_eq!(reader.ue(), Err(BitsError::End { at_bit: 8, wanted: 6, left: 0 }));
    assert_eq!(reader.position(), 1);
}

#[test]
fn whole_bytes_are_slices_of_the_input() {
    let mut reader = BitReader::new(&[1, 2, 3]);
    reader.skip(8).unwrap();
    assert_eq!(reader.bytes(3), Err(BitsError::End { at_bit: 8, wanted: 24, left: 16 }));
    assert_eq!(reader.bytes(usize::MAX), Err(BitsError::End { at_bit: 8, wanted: usize::MAX, left: 16 }));
    assert_eq!(reader.bytes(2), Ok(&[2, 3][..]));
    assert_eq!(reader.bytes(0), Ok(&[][..]));
}

#[test]
fn a_cut_reader_keeps_its_place() {
    let mut reader = BitReader::new(&[1, 2, 3, 4]);
    reader.skip(8).unwrap();
    let mut cut = reader.up_to(2);
    assert_eq!((cut.position(), cut.u8(8)), (8, Ok(2)));
    assert_eq!(cut.flag(), Err(BitsError::End { at_bit: 16, wanted: 1, left: 0 }));
    assert_eq!(reader.up_to(9).remaining(), 24);
    assert_eq!((reader.up_to(0).position(), reader.up_to(0).remaining()), (0, 0));
}

#[test]
fn emulation_prevention_is_removed() {
    let unescape = |text: &str| unescape_rbsp(&hex(text)).unwrap().into_owned();
    assert_eq!(unescape("00000300"), hex("000000"));
    assert_eq!(unescape("000003000003"), hex("00000000"));
    assert_eq!(unescape("00000303"), hex("000003"));
    assert_eq!(unescape("0000000003"), hex("00000000"));
    assert_eq!(unescape("67000003"), hex("670000"));
    assert!(matches!(unescape_rbsp(&[0, 3, 0, 0, 1]), Ok(Cow::Borrowed(_))));
}

#[test]
fn nal_units_have_a_length_limit() {
    assert!(unescape_rbsp(&vec![1; MAX_RBSP_BYTES]).is_ok());
    let len = MAX_RBSP_BYTES + 1;
    assert_eq!(unescape_rbsp(&vec![1; len]), Err(BitsError::RbspTooLong { len }));
}

proptest! {
    #[test]
    fn what_was_written_is_read(values in prop::collection::vec((1_u32..=32, any::<u32>(), any::<i32>()), 0..20)) {
        let mut writer = BitWriter::default();
        for &(width, value, signed) in &values {
            let fixed = u64::from(value) & ((1 << width) - 1);
            writer.u(width, fixed).ue(value.min(u32::MAX - 1)).se(signed.max(-i32::MAX));
        }
        let bytes = writer.bytes();
        let mut reader = BitReader::new(&bytes);
        for &(width, value, signed) in &values {
            let fixed = u64::from(value) & ((1 << width) - 1);
            prop_assert_eq!(reader.u32(width).map(u64::from), Ok(fixed));
            prop_assert_eq!(reader.ue(), Ok(value.min(u32::MAX - 1)));
            prop_assert_eq!(reader.se(), Ok(signed.max(-i32::MAX)));
        }
        prop_assert!(reader.remaining() < 8);
    }

    #[test]
    fn escaping_is_undone(bytes in prop::collection::vec(0_u8..5, 0..200)) {
        let mut writer = BitWriter::default();
        for byte in &bytes {
            writer.u(8, u64::from(*byte));
        }
        let mut expected = bytes;
        expected.push(0x80);
        prop_assert_eq!(unescape_rbsp(&writer.nal()).unwrap().into_owned(), expected);
    }
}
