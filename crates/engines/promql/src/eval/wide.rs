//! Loops over whole rows, compiled for wide registers where the processor has them: twice as many floats at
//! once, and a choice between two in one instruction. The numbers are the same to the bit, as nothing is added
//! in another order and nothing is fused.
//!
//! A function that is compiled for a feature may be called without `unsafe` only from others of its kind; here
//! the call stands behind the question whether the processor has it.
#![allow(unsafe_code)]

use model::sample::{STALE_NAN_BITS, is_stale_nan};

use super::functions::math::kahan_add;
use super::value::is_absent;

/// Defines a function with a second body for wide registers.
macro_rules! wide {
    ($(#[$doc:meta])* $name:ident, $body:ident, ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($argument: $type),*) $(-> $result)? {
                    $body($($argument),*)
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has what the function is compiled for.
                    return unsafe { wide($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

wide!(
    /// Adds a row to the running sums of its group, with what they lost; absent values change nothing.
    add_to_sums, add_to_sums_body, (values: &[f64], sums: &mut [f64], lost: &mut [f64])
);

#[inline(always)]
fn add_to_sums_body(values: &[f64], sums: &mut [f64], lost: &mut [f64]) {
    for ((value, sum), lost) in values.iter().zip(sums).zip(lost) {
        let (total, more) = kahan_add(*value, *sum, *lost);
        let (nothing, first) = (is_absent(*value), is_absent(*sum));
        *lost = if nothing || first { *lost } else { more };
        let added = if first { *value } else { total };
        *sum = if nothing { *sum } else { added };
    }
}

wide!(
    /// Whether a value is below the one before.
    falls, falls_body, (values: &[f64]) -> bool
);

#[inline(always)]
fn falls_body(values: &[f64]) -> bool {
    let later = values.get(1..).unwrap_or_default();
    let mut falls = false;
    for (before, after) in values.iter().zip(later) {
        falls |= after < before;
    }
    falls
}

wide!(
    /// Whether there is a staleness marker among the values.
    has_stale, has_stale_body, (values: &[f64]) -> bool
);

#[inline(always)]
fn has_stale_body(values: &[f64]) -> bool {
    let mut found = false;
    for value in values {
        found |= value.to_bits() == STALE_NAN_BITS;
    }
    debug_assert_eq!(found, values.iter().any(|value| is_stale_nan(*value)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::value::ABSENT;
    use model::sample::NORMAL_NAN_BITS;

    #[test]
    fn wide_and_narrow_bodies_agree_to_the_bit() {
        let special =
            [0.0, -0.0, 1.5, -3.25e300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, ABSENT, 1e-300];
        for length in 0..40usize {
            for turn in 0..special.len() {
                let row = |k: usize| -> Vec<f64> {
                    (0..length).map(|at| special[(at * (k + 1) + turn * 7 + k) % special.len()]).collect()
                };
                // Which of two NaN a sum of them is stays open.
                let one = |value: &f64| match value.is_nan() && !is_absent(*value) {
                    true => NORMAL_NAN_BITS,
                    false => value.to_bits(),
                };
                let bits = |row: &[f64]| row.iter().map(one).collect::<Vec<_>>();
                let (values, sums, lost) = (row(0), row(1), vec![0.125; length]);
                let (mut wide, mut narrow) = ((sums.clone(), lost.clone()), (sums, lost));
                add_to_sums(&values, &mut wide.0, &mut wide.1);
                add_to_sums_body(&values, &mut narrow.0, &mut narrow.1);
                assert_eq!((bits(&wide.0), bits(&wide.1)), (bits(&narrow.0), bits(&narrow.1)));
                assert_eq!(falls(&values), values.windows(2).any(|pair| pair[1] < pair[0]));
                assert_eq!(has_stale(&values), values.iter().any(|value| is_absent(*value)));
            }
        }
    }
}
