//! What gives samples.

/// A sensor: each call takes one sample of all its channels.
pub trait Sampler {
    /// One sample.
    type Sample;
    /// Why there is none.
    type Error;

    /// Takes a sample.
    ///
    /// # Errors
    /// The sensor did not answer. What it gave before is not affected, and it may be asked again.
    fn sample(&mut self) -> Result<Self::Sample, Self::Error>;
}

/// A closure as a sensor: an analog converter, a microphone's buffer, a recorded trace.
#[derive(Clone, Debug)]
pub struct FromFn<F>(F);

impl<F> FromFn<F> {
    /// Takes its samples from `function`.
    pub fn new<S, E>(function: F) -> Self
    where
        F: FnMut() -> Result<S, E>,
    {
        Self(function)
    }
}

impl<F: FnMut() -> Result<S, E>, S, E> Sampler for FromFn<F> {
    type Sample = S;
    type Error = E;

    fn sample(&mut self) -> Result<S, E> {
        (self.0)()
    }
}
