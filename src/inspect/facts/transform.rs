//! What the matrix of a track header asks for beyond a turn by quarters (ISO/IEC 14496-12 §8.3.2).

/// One in 16.16 fixed point.
const ONE: i32 = 0x1_0000;
/// How far a turn may be from one by its numbers: writers round sines.
const ROUNDING: i64 = 0x100;

/// What `matrix` does to the picture, in words; `None` for nothing, and where it is `rotation_degrees`, which is
/// obeyed. Where it moves the picture to is left aside: there is nothing else on the screen.
pub(in crate::inspect) fn odd(matrix: &[i32; 9], rotation_degrees: u16) -> Option<String> {
    let [a, b, _, c, d, ..] = *matrix;
    // All zero: the writer left it out.
    if rotation_degrees != 0 || [a, b, c, d] == [ONE, 0, 0, ONE] || [a, b, c, d] == [0; 4] {
        return None;
    }
    let [wide_a, wide_b, wide_c, wide_d] = [a, b, c, d].map(i64::from);
    let is_turn = (wide_a - wide_d).abs() <= ROUNDING && (wide_b + wide_c).abs() <= ROUNDING;
    if is_turn && [b, c] != [0, 0] {
        let degrees = f64::from(b).atan2(f64::from(a)).to_degrees().rem_euclid(360.0);
        return Some(format!("turns the picture by {degrees:.1} degrees"));
    }
    let mirrors = wide_a * wide_d < wide_b * wide_c;
    Some(if mirrors { "mirrors the picture" } else { "scales or skews the picture" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(abcd: [i32; 4], rotation_degrees: u16, expected: Option<&str>) {
        let [a, b, c, d] = abcd;
        let matrix = [a, b, 0, c, d, 0, 1920 << 16, 0, 0x4000_0000];
        assert_eq!(odd(&matrix, rotation_degrees).as_deref(), expected, "{abcd:x?}");
    }

    #[test]
    fn what_a_matrix_does_is_told_in_words() {
        check([ONE, 0, 0, ONE], 0, None);
        check([0, 0, 0, 0], 0, None);
        check([0, ONE, -ONE, 0], 90, None);
        // The sine and cosine of 30 degrees, and a quarter turn that was rounded.
        check([56_756, 32_768, -32_768, 56_756], 0, Some("turns the picture by 30.0 degrees"));
        check([56_756, -32_768, 32_768, 56_756], 0, Some("turns the picture by 330.0 degrees"));
        check([1, ONE, -ONE, 1], 0, Some("turns the picture by 90.0 degrees"));
        check([-ONE, 0, 0, ONE], 0, Some("mirrors the picture"));
        check([0, ONE, ONE, 0], 0, Some("mirrors the picture"));
        check([2 * ONE, 0, 0, 2 * ONE], 0, Some("scales or skews the picture"));
        check([ONE, 0, ONE / 2, ONE], 0, Some("scales or skews the picture"));
        check([i32::MIN, i32::MIN, i32::MIN, i32::MAX], 0, Some("mirrors the picture"));
    }
}
