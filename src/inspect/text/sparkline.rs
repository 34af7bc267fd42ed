//! Values as a row of bars: what is long or large stands out at a glance.

/// Bars at most; more values share bars, each as high as its largest.
const BARS: usize = 60;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `values` as bars from zero to the largest.
pub(super) fn of(values: &[f64]) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    let share = values.len().div_ceil(BARS).max(1);
    values.chunks(share).map(|chunk| bar(chunk.iter().copied().fold(0.0, f64::max), most)).collect()
}

fn bar(value: f64, most: f64) -> char {
    if most <= 0.0 {
        return HEIGHTS[0];
    }
    // The bar whose upper edge is the first at or above the value.
    let edges = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
    let above = edges.iter().take_while(|edge| value / most > **edge).count();
    HEIGHTS.get(above).copied().unwrap_or('█')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_from_zero_to_the_largest() {
        assert_eq!(of(&[8.0, 4.0, 1.0, 0.0, 5.0]), "█▄▁▁▅");
        assert_eq!(of(&[0.0, 0.0]), "▁▁");
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn many_values_share_bars_and_the_largest_stays_visible() {
        let mut values = vec![1.0; 6000];
        values[4321] = 8.0;
        let bars = of(&values);
        assert_eq!((bars.chars().count(), bars.chars().filter(|bar| *bar == '█').count()), (60, 1));
    }
}
