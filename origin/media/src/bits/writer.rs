//! Writes bits, for tests that need parameter sets no encoder at hand makes.

/// The counterpart of `BitReader`.
#[derive(Default)]
pub(crate) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub(crate) fn u(&mut self, width: u32, value: u64) -> &mut Self {
        self.bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub(crate) fn ue(&mut self, value: u32) -> &mut Self {
        let code = u64::from(value) + 1;
        let width = 64 - code.leading_zeros();
        self.u(width - 1, 0).u(width, code)
    }

    pub(crate) fn se(&mut self, value: i32) -> &mut Self {
        self.ue(if value > 0 { value.unsigned_abs() * 2 - 1 } else { value.unsigned_abs() * 2 })
    }

    /// The bytes so far, the last filled with zeros.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().enumerate().map(|(at, bit)| u8::from(*bit) << (7 - at)).sum();
        self.bits.chunks(8).map(byte).collect()
    }

    /// The bytes as a NAL unit: stop bit, and emulation prevention where needed.
    pub(crate) fn nal(&mut self) -> Vec<u8> {
        self.u(1, 1);
        let mut nal = Vec::new();
        for byte in self.bytes() {
            if nal.ends_with(&[0, 0]) && byte <= 3 {
                nal.push(3);
            }
            nal.push(byte);
        }
        nal
    }
}

/// The bytes of a hex text.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit.try_into().unwrap()).collect();
    assert_eq!(digits.len() % 2, 0, "whole bytes");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
