//! Films whose tracks do not begin and end together, or whose times jump: what cutters, recorders and editors leave.

use std::path::Path;
use std::process::Command;

/// How far a browser's idea of the length may be from ours: it counts the last picture in decoding order as shown from its
/// presentation time on, for as long as it is decoded, so that one which is held seems longer by the reordering delay.
pub(crate) const TOLERANCE_S: f64 = 0.2;

/// A film of an odd shape.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Seconds from its first picture or sound to its last.
    pub(crate) duration_s: f64,
    /// Arguments of ffmpeg between its inputs and the output.
    args: &'static [&'static str],
}

/// Every shape. All inputs are the same 20 s of pictures and sound: 0 as it is, 1 three seconds later, 2 its first 12 s, 3 from
/// 3.3 s on, which is inside a group of pictures.
pub(crate) const SHAPES: [Shape; 8] = [
    Shape {
        name: "sound-late",
        duration_s: 20.0,
        args: &["-t", "20", "-map", "0:v", "-map", "1:a", "-c", "copy"],
    },
    Shape { name: "sound-short", duration_s: 20.0, args: &["-map", "0:v", "-map", "2:a", "-c", "copy"] },
    Shape {
        name: "pictures-late",
        duration_s: 20.16,
        args: &["-t", "20", "-map", "1:v", "-map", "0:a", "-c", "copy"],
    },
    Shape { name: "pictures-short", duration_s: 20.0, args: &["-map", "2:v", "-map", "0:a", "-c", "copy"] },
    Shape {
        name: "one-sound-goes-on",
        duration_s: 20.0,
        args: &["-map", "2:v", "-map", "2:a", "-map", "0:a", "-c", "copy"],
    },
    Shape {
        name: "start-inside-a-gop",
        duration_s: 20.0 - 3.3,
        args: &["-map", "3:v", "-map", "3:a", "-c", "copy"],
    },
    Shape {
        name: "last-b-frames-lost",
        duration_s: 7.96,
        args: &["-t", "7.77", "-map", "0:v", "-map", "0:a", "-c", "copy"],
    },
    Shape {
        name: "pause-before-a-key-frame",
        duration_s: 20.0,
        args: &[
            "-map",
            "0:v",
            "-map",
            "0:a",
            "-vf",
            "select='not(between(t,2,15.99))'",
            "-fps_mode",
            "vfr",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-g",
            "25",
            "-c:a",
            "copy",
        ],
    },
];

impl Shape {
    /// The file's name.
    pub(crate) fn file(&self) -> String {
        format!("{}.mp4", self.name)
    }
}

/// Makes all [`SHAPES`] in `dir`.
pub(crate) fn make(dir: &Path) {
    let whole = dir.join("whole.mp4");
    ffmpeg(
        Command::new("ffmpeg")
            .args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=20", "-f", "lavfi", "-i"])
            .args([
                "sine=beep_factor=4:sample_rate=48000:duration=20",
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
            ])
            .args(["-g", "50", "-keyint_min", "50", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "64k"])
            .arg(&whole),
    );
    for shape in &SHAPES {
        let mut command = Command::new("ffmpeg");
        for before in [&[] as &[_], &["-itsoffset", "3"], &["-t", "12"], &["-ss", "3.3"]] {
            command.args(before).arg("-i").arg(&whole);
        }
        ffmpeg(command.args(shape.args).arg(dir.join(shape.file())));
    }
}

fn ffmpeg(command: &mut Command) {
    let status = command.args(["-v", "error", "-nostdin"]).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}
