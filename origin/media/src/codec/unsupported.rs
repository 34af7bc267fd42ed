//! Names for sample entries that are not carried, so that a refusal says what was found.
//!
//! Spec: the codes registered by the MP4 registration authority, and Apple's QuickTime File Format.

/// What people call the content of a sample entry, for known ones that are not carried yet; `"unknown codec"`
/// for all else.
#[must_use]
pub const fn unsupported_name(fourcc: [u8; 4]) -> &'static str {
    match &fourcc {
        b"encv" | b"enca" | b"enct" | b"encs" | b"drmi" | b"drms" => "encrypted",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"vvc1" | b"vvi1" => "VVC (H.266)",
        b"evc1" => "EVC",
        b"dvh1" | b"dvhe" | b"dva1" | b"dvav" | b"dav1" => "Dolby Vision",
        b"avc2" | b"avc4" | b"svc1" | b"svc2" | b"mvc1" | b"mvc2" => "AVC extension (SVC, MVC)",
        b"hvc2" | b"hev2" | b"lhv1" | b"lhe1" => "HEVC extension (layered)",
        b"mp4v" => "MPEG-4 Visual",
        b"s263" | b"h263" | b"H263" => "H.263",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
        b"AVdn" | b"AVdh" => "DNxHD",
        b"CFHD" => "CineForm",
        b"jpeg" | b"mjpa" | b"mjpb" | b"MJPG" => "Motion JPEG",
        b"mjp2" | b"j2ki" => "JPEG 2000",
        b"png " => "PNG",
        b"rle " => "QuickTime Animation",
        b"SVQ1" | b"SVQ3" => "Sorenson Video",
        b"cvid" => "Cinepak",
        b"dvc " | b"dvcp" | b"dvpp" | b"dv5n" | b"dv5p" => "DV",
        b"raw " | b"2vuy" | b"v210" | b"yuv2" | b"BGRA" => "uncompressed",
        _ => unsupported_sound_or_text(fourcc),
    }
}

const fn unsupported_sound_or_text(fourcc: [u8; 4]) -> &'static str {
    match &fourcc {
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"mlpa" => "Dolby TrueHD",
        b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" | b"dtsy" => "DTS",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"alac" => "ALAC",
        b".mp3" | b"mp3 " | b"ms\x00U" => "MP3",
        b".mp2" => "MP2",
        b"mha1" | b"mha2" | b"mhm1" | b"mhm2" => "MPEG-H Audio",
        b"iamf" => "IAMF",
        b"lpcm" | b"sowt" | b"twos" | b"in24" | b"in32" | b"fl32" | b"fl64" | b"ipcm" | b"fpcm" => "PCM",
        b"ulaw" => "G.711 mu-law",
        b"alaw" => "G.711 A-law",
        b"ima4" | b"ms\x00\x11" => "IMA ADPCM",
        b"samr" => "AMR",
        b"sawb" => "AMR-WB",
        b"sqcp" | b"Qclp" => "QCELP",
        b"tx3g" | b"text" => "timed text",
        b"wvtt" => "WebVTT",
        b"stpp" => "TTML",
        b"c608" => "CEA-608 captions",
        b"c708" => "CEA-708 captions",
        b"mp4s" => "MPEG-4 systems (such as VobSub)",
        b"tmcd" => "timecode",
        b"rtp " | b"rrtp" | b"srtp" => "RTP hint",
        b"metx" | b"mett" | b"mebx" | b"urim" => "timed metadata",
        _ => "unknown codec",
    }
}
