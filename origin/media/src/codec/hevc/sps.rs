//! The HEVC sequence parameter set.
//!
//! Spec: Rec. ITU-T H.265 clauses 7.3.2.2.1 (syntax), 7.3.3 (profile, tier, level), 7.3.4 (scaling lists),
//! 7.3.7 (short-term reference picture sets), 7.4.3.2.1 (conformance window) and annex E.2.1 (VUI).

use crate::bits::{BitReader, BitsError, unescape_rbsp};
use crate::codec::hevc::HevcNalType;
use crate::codec::sps::{
    ChromaFormat, Frame, Ratio, SpsError, SpsInfo, Vui, read_bit_depth, read_crop, read_ue_up_to,
    read_vui_front,
};

/// Sides up to 65536 luma samples before cropping.
const MAX_SIDE: u32 = 65_536;
/// `num_short_term_ref_pic_sets` is at most 64.
const MAX_SHORT_TERM_SETS: u32 = 64;
/// `num_negative_pics` and `num_positive_pics` are at most 16 each.
const MAX_PICS_OF_A_SIGN: u32 = 16;
/// `num_long_term_ref_pics_sps` is at most 32.
const MAX_LONG_TERM_PICS: u32 = 32;

/// A sequence parameter set with what a record needs besides.
pub(super) struct HevcSps {
    pub(super) info: SpsInfo,
    /// The general profile, tier and level, as a record stores them.
    pub(super) general: [u8; 12],
    /// Temporal sub-layers, 1 to 7.
    pub(super) sub_layers: u8,
    pub(super) temporal_id_nested: bool,
}

struct Picture {
    chroma_format: ChromaFormat,
    size: (u16, u16),
    depth_luma: u8,
    depth_chroma: u8,
}

pub(super) fn parse(nal: &[u8]) -> Result<HevcSps, SpsError> {
    match HevcNalType::of(nal) {
        Some(HevcNalType::SPS) => {}
        Some(other) => return Err(SpsError::NotSps { nal_type: other.value() }),
        None => return Err(BitsError::End { at_bit: 0, wanted: 16, left: 0 }.into()),
    }
    let rbsp = unescape_rbsp(nal)?;
    let mut reader = BitReader::new(&rbsp);
    reader.skip(16)?;
    reader.skip(4)?;
    let at_bit = reader.position();
    let max_sub_layer = reader.u8(3)?;
    if max_sub_layer > 6 {
        let field = "sps_max_sub_layers_minus1";
        return Err(SpsError::OutOfRange { field, value: u32::from(max_sub_layer), limit: 6, at_bit });
    }
    let temporal_id_nested = reader.flag()?;
    let general = read_profile(&mut reader, max_sub_layer)?;
    let picture = read_picture(&mut reader)?;
    let log2_poc_lsb = read_ue_up_to(&mut reader, "log2_max_pic_order_cnt_lsb_minus4", 12)?.saturating_add(4);
    let max_num_reorder = read_ordering(&mut reader, max_sub_layer)?;
    skip_coding_tools(&mut reader)?;
    skip_reference_sets(&mut reader, log2_poc_lsb)?;
    reader.skip(2)?;
    let mut vui = Vui::default();
    let vui_damage = read_vui(&mut reader, &mut vui).err();
    let [space_tier_profile, .., level_idc] = general;
    let info = SpsInfo {
        width: picture.size.0,
        height: picture.size.1,
        sar: vui.sar,
        profile_idc: space_tier_profile & 0x1f,
        level_idc,
        chroma_format: picture.chroma_format,
        bit_depth_luma: picture.depth_luma,
        bit_depth_chroma: picture.depth_chroma,
        frame_rate: vui.frame_rate,
        color: vui.color,
        max_num_reorder,
        interlaced: vui.field_seq || interlaced_only(&general),
        vui_damage,
    };
    Ok(HevcSps { info, general, sub_layers: max_sub_layer.saturating_add(1), temporal_id_nested })
}

/// `general_progressive_source_flag` is 0 and `general_interlaced_source_flag` is 1.
const fn interlaced_only(general: &[u8; 12]) -> bool {
    general[5] & 0xc0 == 0x40
}

/// The general part as twelve bytes; the sub-layers' parts are passed over.
fn read_profile(reader: &mut BitReader<'_>, max_sub_layer: u8) -> Result<[u8; 12], SpsError> {
    let mut general = [0_u8; 12];
    for byte in &mut general {
        *byte = reader.u8(8)?;
    }
    let mut sub_layer_bits = 0_u32;
    for _ in 0..max_sub_layer {
        let profile_bits: u32 = if reader.flag()? { 88 } else { 0 };
        let level_bits: u32 = if reader.flag()? { 8 } else { 0 };
        sub_layer_bits = sub_layer_bits.saturating_add(profile_bits).saturating_add(level_bits);
    }
    if max_sub_layer > 0 {
        // Flags stand for eight sub-layers less one, whether used or not.
        reader.skip(u32::from(8_u8.saturating_sub(max_sub_layer)).saturating_mul(2))?;
    }
    reader.skip(sub_layer_bits)?;
    Ok(general)
}

fn read_picture(reader: &mut BitReader<'_>) -> Result<Picture, SpsError> {
    read_ue_up_to(reader, "sps_seq_parameter_set_id", 15)?;
    let chroma_format = ChromaFormat::read(reader)?;
    let separate_planes = chroma_format == ChromaFormat::Yuv444 && reader.flag()?;
    let width = u64::from(read_ue_up_to(reader, "pic_width_in_luma_samples", MAX_SIDE)?);
    let height = u64::from(read_ue_up_to(reader, "pic_height_in_luma_samples", MAX_SIDE)?);
    let unit = if separate_planes { (1, 1) } else { chroma_format.subsampling() };
    let (crop_x, crop_y) = if reader.flag()? { read_crop(reader, unit)? } else { (0, 0) };
    let size = Frame { width, height, crop_x, crop_y }.cropped()?;
    let depth_luma = read_bit_depth(reader, "bit_depth_luma_minus8")?;
    let depth_chroma = read_bit_depth(reader, "bit_depth_chroma_minus8")?;
    Ok(Picture { chroma_format, size, depth_luma, depth_chroma })
}

/// `sps_max_num_reorder_pics` of the highest sub-layer.
fn read_ordering(reader: &mut BitReader<'_>, max_sub_layer: u8) -> Result<Option<u8>, SpsError> {
    let first = if reader.flag()? { 0 } else { max_sub_layer };
    let mut reorder = None;
    for _ in first..=max_sub_layer {
        reader.ue()?;
        reorder = u8::try_from(read_ue_up_to(reader, "sps_max_num_reorder_pics", 16)?).ok();
        reader.ue()?;
    }
    Ok(reorder)
}

/// Block sizes, scaling lists, AMP, SAO and PCM: nothing of it is asked for.
fn skip_coding_tools(reader: &mut BitReader<'_>) -> Result<(), SpsError> {
    for _ in 0..6 {
        reader.ue()?;
    }
    if reader.flag()? && reader.flag()? {
        skip_scaling_lists(reader)?;
    }
    reader.skip(2)?;
    if reader.flag()? {
        reader.skip(8)?;
        reader.ue()?;
        reader.ue()?;
        reader.skip(1)?;
    }
    Ok(())
}

fn skip_scaling_lists(reader: &mut BitReader<'_>) -> Result<(), BitsError> {
    /// Matrices and coefficients of each size: 4x4, 8x8, 16x16, 32x32.
    const SIZES: [(u8, u8, bool); 4] = [(6, 16, false), (6, 64, false), (6, 64, true), (2, 64, true)];
    for (matrices, coefficients, has_dc) in SIZES {
        for _ in 0..matrices {
            if !reader.flag()? {
                reader.ue()?;
                continue;
            }
            if has_dc {
                reader.se()?;
            }
            for _ in 0..coefficients {
                reader.se()?;
            }
        }
    }
    Ok(())
}

fn skip_reference_sets(reader: &mut BitReader<'_>, log2_poc_lsb: u32) -> Result<(), SpsError> {
    let sets = read_ue_up_to(reader, "num_short_term_ref_pic_sets", MAX_SHORT_TERM_SETS)?;
    let mut pics = 0_u32;
    for index in 0..sets {
        pics = read_short_term_set(reader, index, pics)?;
    }
    if reader.flag()? {
        for _ in 0..read_ue_up_to(reader, "num_long_term_ref_pics_sps", MAX_LONG_TERM_PICS)? {
            reader.skip(log2_poc_lsb.saturating_add(1))?;
        }
    }
    Ok(())
}

/// Returns `NumDeltaPocs` of the set. In an SPS a set is predicted from the one before it, which has `previous`.
fn read_short_term_set(reader: &mut BitReader<'_>, index: u32, previous: u32) -> Result<u32, SpsError> {
    if index != 0 && reader.flag()? {
        reader.skip(1)?;
        reader.ue()?;
        let mut pics = 0_u32;
        for _ in 0..=previous {
            let used = reader.flag()?;
            if used || reader.flag()? {
                pics = pics.saturating_add(1);
            }
        }
        return Ok(pics);
    }
    let negative = read_ue_up_to(reader, "num_negative_pics", MAX_PICS_OF_A_SIGN)?;
    let positive = read_ue_up_to(reader, "num_positive_pics", MAX_PICS_OF_A_SIGN)?;
    let pics = negative.saturating_add(positive);
    for _ in 0..pics {
        reader.ue()?;
        reader.skip(1)?;
    }
    Ok(pics)
}

/// The VUI up to its timing; what follows is not asked for.
fn read_vui(reader: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), BitsError> {
    if !reader.flag()? {
        return Ok(());
    }
    read_vui_front(reader, vui)?;
    reader.skip(1)?;
    vui.field_seq = reader.flag()?;
    reader.skip(1)?;
    if reader.flag()? {
        // The default display window is advice to displays, not cropping.
        for _ in 0..4 {
            reader.ue()?;
        }
    }
    if reader.flag()? {
        // A tick is a picture, which is a sample: in a sequence of fields, a field.
        let units = u64::from(reader.u32(32)?);
        let scale = u64::from(reader.u32(32)?);
        vui.frame_rate = Ratio::reduced(scale, units);
    }
    Ok(())
}
