//! How families of metrics are written.
//!
//! Must not know: which there are.

use crate::metrics::{BOUNDS, Reading};
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt::Result;

/// Labels with their values.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Where families are written: each once, with all that it has.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// A family of numbers that rise and fall.
    pub(super) fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        series.into_iter().try_for_each(|(labels, value)| labelled(&mut family, labels, |one| one.encode_gauge(&value)))
    }

    /// A family of numbers that only grow. Each name gets the ending `_total`.
    pub(super) fn counter<'l, const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        let encode = |one: &mut MetricEncoder<'_>, value: &V| one.encode_counter::<NoLabelSet, V, u64>(value, None);
        series.into_iter().try_for_each(|(labels, value)| labelled(&mut family, labels, |one| encode(one, &value)))
    }

    /// A family of times, in seconds.
    pub(super) fn times<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l, N>, Reading)>,
    ) -> Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let bounds = || BOUNDS.iter().map(|bound| *bound as f64 / 1e9).chain([f64::INFINITY]);
        series.into_iter().try_for_each(|(labels, Reading { counts, sum })| {
            let buckets: Vec<_> = bounds().zip(counts).collect();
            let (sum, count) = (sum.as_secs_f64(), counts.iter().sum());
            labelled(&mut family, labels, |one| one.encode_histogram::<NoLabelSet>(sum, count, &buckets, None))
        })
    }
}

/// Writes one of a family, without braces where it has no labels.
fn labelled<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> Result,
) -> Result {
    if N == 0 { write(family) } else { write(&mut family.encode_family(&labels)?) }
}
