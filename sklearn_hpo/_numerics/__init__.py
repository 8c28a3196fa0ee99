"""Numerical core: arrays in, arrays out; NumPy, SciPy and trees only.

Every module uses the same letters:

============  ==============  ====================================================
symbol        shape           meaning
============  ==============  ====================================================
``n, m``                      number of observed rows, of rows asked about
``d``                         number of columns of a row
``P``                         number of pairs of observed rows, n (n - 1) / 2
``S``                         number of target vectors (fantasies) at once
``rows``      (n, d)          points of the unit cube; NaN where a column is inactive
``y``         (n,)            targets, to be minimised, about zero mean, unit variance
``theta``     (d + 2,)        log lengthscales, log signal variance, log noise
``weight``    (d,)            inverse squared lengthscales
``s2``        scalar          signal variance
``r2``        (n, m)          squared distances after division by the lengthscales
``K``         (n, n)          covariance of the observed targets, nugget included
``L``         (n, n)          lower Cholesky factor of K
``alpha``     (n, S)          K^-1 y
``mean``      (m, S)          posterior mean, one column for each target vector
``std``       (m,)            posterior standard deviation of the noise-free function
``best``      (S,)            the value to improve on, for each target vector
============  ==============  ====================================================
"""
