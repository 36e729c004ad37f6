//! Upper tails of two distributions: the probability of this many hits or more by chance.

use super::side::count;

/// The probability of `errors` or more errors on one side, if every call has the same chance to
/// fail: the upper tail of the hypergeometric distribution, which is Fisher's exact test,
/// one-sided. Returns 1 if there are not more errors than expected: below the middle the exact
/// probability is not needed.
pub(super) fn fisher(errors: u64, calls: u64, other_errors: u64, other_calls: u64) -> f64 {
    let (all_errors, all) = (errors + other_errors, calls + other_calls);
    if all == 0 || count(errors) * count(all) <= count(all_errors) * count(calls) {
        return 1.0;
    }
    let most = all_errors.min(calls);
    let first = ln_choose(all_errors, errors) + ln_choose(all - all_errors, calls - errors)
        - ln_choose(all, calls);
    tail(first, errors, most, |x| {
        let up = count(all_errors - x) * count(calls - x);
        let down = count(x + 1) * (count(all - all_errors) - count(calls) + count(x + 1));
        up / down
    })
}

/// The probability of `hits` or more in `tries`, each with this `chance`: the upper tail of the
/// binomial distribution. Returns 1 if there are not more hits than expected.
pub(super) fn binomial(hits: u64, tries: u64, chance: f64) -> f64 {
    if hits == 0 || chance >= 1.0 || count(hits) <= count(tries) * chance {
        return 1.0;
    }
    if chance <= 0.0 {
        return 0.0;
    }
    let first = ln_choose(tries, hits)
        + count(hits) * chance.ln()
        + count(tries - hits) * (-chance).ln_1p();
    let odds = chance / (1.0 - chance);
    tail(first, hits, tries, |x| count(tries - x) / count(x + 1) * odds)
}

/// The sum of the terms from `from` to `most`. The first term is given by its logarithm, each
/// further one by its ratio to the one before. The terms fall, since `from` is beyond the middle.
fn tail(first: f64, from: u64, most: u64, ratio: impl Fn(u64) -> f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for x in from..most {
        term *= ratio(x);
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    (first + f64::ln(sum)).exp().min(1.0)
}

/// The logarithm of the binomial coefficient "`n` choose `k`".
fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// The logarithm of `n!`: by multiplication for small numbers, else by Stirling's series.
fn ln_factorial(n: u64) -> f64 {
    if n < 16 {
        return (2..=n).map(count).product::<f64>().ln();
    }
    let n = count(n);
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (n * n)) / (n * n)) / n;
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Against figures of another implementation: exact fractions, rounded once at the end.
    #[test]
    fn fisher_is_exact() {
        for ((errors, calls, other_errors, other_calls), expected) in FISHER {
            let found = fisher(errors, calls, other_errors, other_calls);
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
        }
        assert!((fisher(1, 100, 10, 1000) - 1.0).abs() < f64::EPSILON, "not more than expected");
        assert!((fisher(0, 0, 0, 0) - 1.0).abs() < f64::EPSILON);
        assert!(fisher(1_000_000, 1_000_000, 0, 1_000_000_000) < 1e-300);
    }

    #[test]
    fn binomial_is_exact() {
        for ((hits, tries, chance), expected) in BINOMIAL {
            let found = binomial(hits, tries, chance);
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} for {expected}");
        }
        assert!((binomial(5, 100, 0.05) - 1.0).abs() < f64::EPSILON, "not more than expected");
        assert!(binomial(1, 10, 0.0) < f64::EPSILON);
        assert!((binomial(10, 10, 1.0) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn factorials_agree_where_the_two_ways_meet() {
        for n in 1..40_u64 {
            let step = ln_factorial(n) - ln_factorial(n - 1);
            assert!((step - count(n).ln()).abs() < 1e-11, "{n}");
        }
    }

    type Fisher = ((u64, u64, u64, u64), f64);
    type Binomial = ((u64, u64, f64), f64);
    const FISHER: [Fisher; 6] = [
        ((3, 50, 5, 4950), 5.088_424_297_78e-5),
        ((3, 4, 1, 4), 2.428_571_428_57e-1),
        ((10, 100, 20, 1000), 1.589_747_797_76e-4),
        ((52, 1000, 9, 9000), 2.123_140_772_79e-43),
        ((2, 10, 0, 10), 2.368_421_052_63e-1),
        ((60, 3000, 40, 3000), 2.741_655_648_25e-2),
    ];
    const BINOMIAL: [Binomial; 5] = [
        ((10, 100, 0.05), 2.818_829_416_34e-2),
        ((1, 3, 0.05), 1.426_250_000_00e-1),
        ((80, 1000, 0.05), 3.488_644_975_79e-5),
        ((30, 30, 0.5), 9.313_225_746_15e-10),
        ((100, 1500, 0.05), 2.658_271_825_28e-3),
    ];
}
