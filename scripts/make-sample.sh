#!/bin/bash
# Makes the sample film: one MP4 file with three H.264 renditions of the same picture and one AAC track.
#
#   scripts/make-sample.sh FILE
#
# What each part is for:
#   timecode     the frame a player shows can be read off the picture
#   name         each rendition carries its own height, so that a switch can be seen
#   flash, beep  a white square and a beep begin together at each full second: sound and picture are in step when they agree
#   2 s groups   all renditions have a closed group of pictures every 60 frames, so that segments align
# The same ffmpeg makes the same bytes: no dates, no encoder name.
set -euo pipefail

out=${1:?usage: make-sample.sh FILE}
seconds=24
rate=30
group=$((2 * rate))
partial=$out.partial
mkdir -p "$(dirname "$out")"
trap 'rm -f "$partial"' EXIT

label() { # HEIGHT FONT-SIZE
  echo "drawtext=font=monospace:text='$1p':fontsize=$2:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=8:x=w-tw-24:y=24"
}

timecode="drawtext=font=monospace:text='%{pts\\:hms}':fontsize=96:fontcolor=white:box=1:boxcolor=black@0.7:boxborderw=16:x=(w-tw)/2:y=h-180"
flash="drawbox=x=24:y=24:w=160:h=160:color=white:t=fill:enable='lt(mod(t,1),0.04)'"

ffmpeg -hide_banner -loglevel error -nostdin -y \
  -f lavfi -i "testsrc2=size=1920x1080:rate=$rate:duration=$seconds" \
  -f lavfi -i "sine=frequency=220:beep_factor=4:sample_rate=48000:duration=$seconds" \
  -filter_complex "[0:v]$timecode,$flash,format=yuv420p,split=3[a][b][c];
    [a]$(label 1080 64)[high]; [b]scale=1280:720,$(label 720 44)[middle]; [c]scale=640:360,$(label 360 24)[low];
    [1:a]pan=stereo|c0=c0|c1=c0[sound]" \
  -map '[high]' -map '[middle]' -map '[low]' -map '[sound]' \
  -c:v libx264 -preset veryfast -profile:v high -g $group -keyint_min $group -sc_threshold 0 -flags:v +cgop+bitexact \
  -b:v:0 4000k -maxrate:v:0 5000k -bufsize:v:0 8000k \
  -b:v:1 1800k -maxrate:v:1 2300k -bufsize:v:1 3600k \
  -b:v:2 600k -maxrate:v:2 800k -bufsize:v:2 1200k \
  -c:a aac -b:a 128k -flags:a +bitexact -metadata:s:a:0 language=eng \
  -fflags +bitexact -movflags +faststart -f mp4 "$partial"
mv "$partial" "$out"
