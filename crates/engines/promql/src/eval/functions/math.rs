//! Functions of one number, and arithmetic with Go's rules for NaN.

/// The function of this name that maps a number to a number.
pub(crate) fn unary(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        "rad" => |v| v * std::f64::consts::PI / 180.0,
        "deg" => |v| v * 180.0 / std::f64::consts::PI,
        "sgn" => |v| {
            if v < 0.0 {
                -1.0
            } else if v > 0.0 {
                1.0
            } else {
                v
            }
        },
        _ => return None,
    })
}

/// Rounds to a multiple; halves go up.
pub(crate) fn round(value: f64, to_nearest: f64) -> f64 {
    // The inverse loses less than a division by fractions such as 0.1.
    let inverse = 1.0 / to_nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// The smaller number; NaN if one is NaN, except that -Inf always wins.
pub(crate) fn go_min(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// The larger number; NaN if one is NaN, except that +Inf always wins.
pub(crate) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// A power with Go's rules, which are those of C.
pub(crate) fn pow(a: f64, b: f64) -> f64 {
    a.powf(b)
}

/// Adds a term to a sum with its compensation (Kahan, improved by Neumaier). No branches, so that
/// whole rows go through it quickly.
#[inline]
pub(crate) fn kahan_add(term: f64, sum: f64, lost: f64) -> (f64, f64) {
    let total = sum + term;
    let (large, small) = if sum.abs() >= term.abs() { (sum, term) } else { (term, sum) };
    let lost = lost + ((large - total) + small);
    (total, if total.is_infinite() { 0.0 } else { lost })
}
