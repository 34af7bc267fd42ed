//! However the bytes come, the movie is the same.

use proptest::prelude::*;

use super::*;

/// What a driver does with one need.
#[derive(Debug, Clone, Copy)]
enum Supply {
    /// This many bytes from where they are wanted.
    Some(usize),
    /// A block that begins before, as an aligned reader does.
    Aligned(usize),
    /// Bytes that nobody asked for, then a few of those wanted.
    Stray(usize),
}

/// Reads `file` with a driver that goes through `supplies` again and again.
fn read_cut(file: &Bytes, supplies: &[Supply]) -> Result<Movie, FormatError> {
    let mut reader = Mp4Reader::new(file.len() as u64);
    for supply in supplies.iter().cycle().take(file.len() * 4 + 1000) {
        let range = match reader.poll()? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => range,
        };
        assert!(!range.is_empty() && range.end - range.start <= MAX_NEED_BYTES);
        assert!(range.end <= file.len() as u64, "need {range:?} of {}", file.len());
        let (start, end) = (range.start as usize, range.end as usize);
        match *supply {
            Supply::Some(count) => {
                reader.supply(range.start, file.slice(start..(start + count).min(end)));
            }
            Supply::Aligned(block) => {
                let before = start - start % block;
                reader.supply(before as u64, file.slice(before..(before + block).min(file.len())));
            }
            Supply::Stray(at) => {
                let at = at % file.len();
                reader.supply(at as u64, file.slice(at..(at + 50).min(file.len())));
                reader.supply(range.start, file.slice(start..(start + 3).min(end)));
            }
        }
    }
    panic!("the reader asks without end");
}

pub(super) fn assert_same(one: &Movie, other: &Movie) {
    assert_eq!((&one.layout, &one.ignored), (&other.layout, &other.ignored));
    assert_eq!((one.timescale, one.tracks.len()), (other.timescale, other.tracks.len()));
    for (one, other) in one.tracks.iter().zip(&other.tracks) {
        assert_eq!((one.id, one.timescale, &one.codec), (other.id, other.timescale, &other.codec));
        assert_eq!(one.title, other.title);
        assert_eq!((&one.language, &one.format, &one.edits), (&other.language, &other.format, &other.edits));
        assert!(one.samples.rows(0..usize::MAX).eq(other.samples.rows(0..usize::MAX)));
    }
}

fn supply() -> impl Strategy<Value = Supply> {
    prop_oneof![
        (1..2000usize).prop_map(Supply::Some),
        (1..16usize).prop_map(Supply::Some),
        prop::sample::select(vec![1usize, 7, 64, 512, 4096]).prop_map(Supply::Aligned),
        (0..9000usize).prop_map(Supply::Stray),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let track = prop_oneof![
        (1..60usize, 1..9usize).prop_map(|(n, gop)| Made::avc(1, 25, gop, n).with_b_frames()),
        (1..60usize).prop_map(|n| Made::hevc(1, 25, 12, n)),
    ];
    let sound = (0..90usize, any::<bool>())
        .prop_map(|(n, old)| if old { Made::quicktime_aac(2, n) } else { Made::aac(2, n) });
    let title = prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
    (track, sound, any::<[bool; 3]>(), 1..9usize, title).prop_map(
        |(mut video, mut sound, [first, wide, headers], chunk, title)| {
            video.per_chunk = chunk;
            sound.title = title;
            Shape {
                index_first: first,
                wide_offsets: wide,
                wide_headers: headers,
                ..Shape::new(vec![video, sound])
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_cut_gives_the_same_movie(shape in shape(), supplies in prop::collection::vec(supply(), 1..8)) {
        let file = Bytes::from(shape.bytes());
        assert_same(&read_cut(&file, &supplies).unwrap(), &read_all(&file).unwrap());
    }
}

#[test]
fn single_bytes_are_enough() {
    let mut shape = Shape { wide_offsets: true, index_first: false, ..ordinary() };
    shape.tracks[0].title = Some(b"Main".to_vec());
    let mut file = shape.file();
    file.at("moov/trak/udta").large = true;
    file.at("moov/trak/mdia").large = true;
    file.at("moov/trak/mdia/minf/stbl/stsd").large = true;
    let file = Bytes::from(file.bytes());
    let whole = read_all(&file).expect("a good file");
    assert_same(&read_cut(&file, &[Supply::Some(1)]).unwrap(), &whole);
    assert_same(&read_cut(&file, &[Supply::Stray(999), Supply::Some(1)]).unwrap(), &whole);
    assert_same(&read_cut(&file, &[Supply::Aligned(16)]).unwrap(), &whole);
}

#[test]
fn a_box_of_a_whole_need_is_read() {
    // Header and payload together are more than one need; either must be read once only.
    let mut file = ordinary().file();
    let largest = MAX_WHOLE_BOX_BYTES as usize;
    let entry = file.at("moov/trak.1/mdia/minf/stbl/stsd");
    let rest = largest - (entry.len() - 8);
    entry.children.push(Node::leaf(b"junk", vec![0; rest - 8]));
    let bytes = Bytes::from(file.bytes());
    // What the file's chunk offsets say is no longer so, but they still lie in it.
    assert_eq!(read_all(&bytes).expect("at the limit").tracks.len(), 2);
    file.at("moov/trak.1/mdia/minf/stbl/stsd").children[1].fields.push(0);
    let offset = file.offset("moov/trak.1/mdia/minf/stbl/stsd");
    let expected = FormatError::Limit {
        what: "size of a header box in bytes",
        value: MAX_WHOLE_BOX_BYTES + 1,
        limit: MAX_WHOLE_BOX_BYTES,
        offset,
    };
    assert_eq!(read_all(&file.bytes().into()).expect_err("one past the limit"), expected);
}
