//! The AVC sequence parameter set.
//!
//! Spec: Rec. ITU-T H.264 clauses 7.3.2.1.1 (syntax), 7.3.2.1.1.1 (scaling lists), 7.4.2.1.1 (cropping) and
//! annex E.1 (VUI).

use crate::bits::{BitReader, BitsError, unescape_rbsp};
use crate::codec::avc::AvcNalType;
use crate::codec::sps::{
    ChromaFormat, Frame, Ratio, SpsError, SpsInfo, Vui, read_bit_depth, read_crop, read_ue_up_to,
    read_vui_front,
};

/// Largest `pic_width_in_mbs_minus1` worth reading on: 65536 luma samples, before cropping.
const MAX_MBS_MINUS1: u32 = 4095;
/// `num_ref_frames_in_pic_order_cnt_cycle` is at most 255.
const MAX_POC_CYCLE: u32 = 255;

/// What stands before the VUI.
struct Head {
    profile_idc: u8,
    level_idc: u8,
    chroma: Chroma,
    output_is_decode_order: bool,
}

struct Chroma {
    format: ChromaFormat,
    separate_planes: bool,
    depth_luma: u8,
    depth_chroma: u8,
}

pub(super) fn parse(nal: &[u8]) -> Result<SpsInfo, SpsError> {
    match AvcNalType::of(nal) {
        Some(AvcNalType::SPS) => {}
        Some(other) => return Err(SpsError::NotSps { nal_type: other.value() }),
        None => return Err(BitsError::End { at_bit: 0, wanted: 8, left: 0 }.into()),
    }
    let rbsp = unescape_rbsp(nal)?;
    let mut reader = BitReader::new(&rbsp);
    reader.skip(8)?;
    let head = read_head(&mut reader)?;
    let (frame, interlaced) = read_frame(&mut reader, &head.chroma)?;
    let (width, height) = frame.cropped()?;
    let mut vui = Vui::default();
    let vui_damage = read_vui(&mut reader, &mut vui).err();
    // POC type 2 means output in decoding order (clause 8.2.1.3), so nothing is reordered.
    let max_num_reorder = vui.max_num_reorder.or_else(|| head.output_is_decode_order.then_some(0));
    Ok(SpsInfo {
        width,
        height,
        sar: vui.sar,
        profile_idc: head.profile_idc,
        level_idc: head.level_idc,
        chroma_format: head.chroma.format,
        bit_depth_luma: head.chroma.depth_luma,
        bit_depth_chroma: head.chroma.depth_chroma,
        frame_rate: vui.frame_rate,
        color: vui.color,
        max_num_reorder,
        interlaced,
        vui_damage,
    })
}

fn read_head(reader: &mut BitReader<'_>) -> Result<Head, SpsError> {
    let profile_idc = reader.u8(8)?;
    reader.skip(8)?;
    let level_idc = reader.u8(8)?;
    read_ue_up_to(reader, "seq_parameter_set_id", 31)?;
    let chroma = read_chroma(reader, profile_idc)?;
    read_ue_up_to(reader, "log2_max_frame_num_minus4", 12)?;
    let poc_type = read_ue_up_to(reader, "pic_order_cnt_type", 2)?;
    match poc_type {
        0 => {
            read_ue_up_to(reader, "log2_max_pic_order_cnt_lsb_minus4", 12)?;
        }
        1 => skip_poc_cycle(reader)?,
        _ => {}
    }
    Ok(Head { profile_idc, level_idc, chroma, output_is_decode_order: poc_type == 2 })
}

fn read_chroma(reader: &mut BitReader<'_>, profile_idc: u8) -> Result<Chroma, SpsError> {
    /// Profiles whose SPS spells the chroma format out; in all others it is 8-bit 4:2:0.
    const SPELLED: [u8; 13] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244];
    if !SPELLED.contains(&profile_idc) {
        let format = ChromaFormat::Yuv420;
        return Ok(Chroma { format, separate_planes: false, depth_luma: 8, depth_chroma: 8 });
    }
    let format = ChromaFormat::read(reader)?;
    let separate_planes = format == ChromaFormat::Yuv444 && reader.flag()?;
    let depth_luma = read_bit_depth(reader, "bit_depth_luma_minus8")?;
    let depth_chroma = read_bit_depth(reader, "bit_depth_chroma_minus8")?;
    reader.skip(1)?;
    if reader.flag()? {
        let lists = if format == ChromaFormat::Yuv444 { 12 } else { 8 };
        for list in 0..lists {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(Chroma { format, separate_planes, depth_luma, depth_chroma })
}

fn skip_scaling_list(reader: &mut BitReader<'_>, size: u8) -> Result<(), BitsError> {
    let mut last = 8_i32;
    for _ in 0..size {
        let next = last.wrapping_add(reader.se()?) & 0xff;
        // A next scale of 0 means that the rest repeats the last one and is not coded.
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}

fn skip_poc_cycle(reader: &mut BitReader<'_>) -> Result<(), SpsError> {
    reader.skip(1)?;
    reader.se()?;
    reader.se()?;
    for _ in 0..read_ue_up_to(reader, "num_ref_frames_in_pic_order_cnt_cycle", MAX_POC_CYCLE)? {
        reader.se()?;
    }
    Ok(())
}

/// Picture size and cropping, and whether pictures may be fields.
fn read_frame(reader: &mut BitReader<'_>, chroma: &Chroma) -> Result<(Frame, bool), SpsError> {
    reader.ue()?;
    reader.skip(1)?;
    let width_mbs = read_ue_up_to(reader, "pic_width_in_mbs_minus1", MAX_MBS_MINUS1)?;
    let height_units = read_ue_up_to(reader, "pic_height_in_map_units_minus1", MAX_MBS_MINUS1)?;
    let frames_only = reader.flag()?;
    let fields: u64 = if frames_only { 1 } else { 2 };
    if !frames_only {
        reader.skip(1)?;
    }
    reader.skip(1)?;
    let (sub_x, sub_y) = if chroma.separate_planes { (1, 1) } else { chroma.format.subsampling() };
    let (crop_x, crop_y) =
        if reader.flag()? { read_crop(reader, (sub_x, sub_y.saturating_mul(fields)))? } else { (0, 0) };
    let side = |minus1: u32| u64::from(minus1).saturating_add(1).saturating_mul(16);
    let height = side(height_units).saturating_mul(fields);
    Ok((Frame { width: side(width_mbs), height, crop_x, crop_y }, !frames_only))
}

fn read_vui(reader: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), BitsError> {
    if !reader.flag()? {
        return Ok(());
    }
    read_vui_front(reader, vui)?;
    if reader.flag()? {
        vui.frame_rate = read_timing(reader)?;
    }
    let nal_hrd = reader.flag()?;
    if nal_hrd {
        skip_hrd(reader)?;
    }
    let vcl_hrd = reader.flag()?;
    if vcl_hrd {
        skip_hrd(reader)?;
    }
    if nal_hrd || vcl_hrd {
        reader.skip(1)?;
    }
    reader.skip(1)?;
    if reader.flag()? {
        reader.skip(1)?;
        for _ in 0..4 {
            reader.ue()?;
        }
        vui.max_num_reorder = u8::try_from(reader.ue()?).ok();
        reader.ue()?;
    }
    Ok(())
}

/// A tick is a field: a frame takes two (equation D-2, `DeltaTfiDivisor`).
fn read_timing(reader: &mut BitReader<'_>) -> Result<Option<Ratio>, BitsError> {
    let units = u64::from(reader.u32(32)?);
    let scale = u64::from(reader.u32(32)?);
    reader.skip(1)?;
    Ok(Ratio::reduced(scale, units.saturating_mul(2)))
}

fn skip_hrd(reader: &mut BitReader<'_>) -> Result<(), BitsError> {
    let last = reader.ue()?;
    reader.skip(8)?;
    // A count above 31 is not allowed; each turn takes at least three bits, so the data's end bounds the loop.
    for _ in 0..=last {
        reader.ue()?;
        reader.ue()?;
        reader.skip(1)?;
    }
    reader.skip(20)
}
