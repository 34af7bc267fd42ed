//! Colour code points in words (Rec. ITU-T H.273 tables 2, 3 and 4).

/// `colour_primaries`.
pub(in crate::inspect) fn primaries(code: u16) -> String {
    let name = match code {
        1 => "BT.709",
        2 => "unspecified",
        4 => "BT.470M",
        5 => "BT.601 625",
        6 => "BT.601 525",
        7 => "SMPTE 240M",
        8 => "film",
        9 => "BT.2020",
        10 => "XYZ",
        11 => "DCI-P3",
        12 => "Display P3",
        22 => "EBU 3213",
        _ => return code.to_string(),
    };
    name.to_owned()
}

/// `transfer_characteristics`.
pub(in crate::inspect) fn transfer(code: u16) -> String {
    let name = match code {
        1 => "BT.709",
        2 => "unspecified",
        4 => "gamma 2.2",
        5 => "gamma 2.8",
        6 => "BT.601",
        7 => "SMPTE 240M",
        8 => "linear",
        11 => "xvYCC",
        13 => "sRGB",
        14 => "BT.2020 10 bit",
        15 => "BT.2020 12 bit",
        16 => "PQ",
        17 => "SMPTE 428",
        18 => "HLG",
        _ => return code.to_string(),
    };
    name.to_owned()
}

/// `matrix_coefficients`.
pub(in crate::inspect) fn matrix(code: u16) -> String {
    let name = match code {
        0 => "RGB",
        1 => "BT.709",
        2 => "unspecified",
        4 => "FCC",
        5 => "BT.601 625",
        6 => "BT.601 525",
        7 => "SMPTE 240M",
        8 => "YCgCo",
        9 => "BT.2020 NCL",
        10 => "BT.2020 CL",
        14 => "ICtCp",
        _ => return code.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_have_names_and_others_stay_numbers() {
        assert_eq!([primaries(9), transfer(16), matrix(9)], ["BT.2020", "PQ", "BT.2020 NCL"]);
        assert_eq!([primaries(99), transfer(99), matrix(99)], ["99", "99", "99"]);
    }
}
