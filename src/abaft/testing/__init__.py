"""What tests of an application may use: the matrix of who may do what, tried for real."""

from abaft.testing.matrix import Matrix, Row, Untried, matrix

__all__ = ["Matrix", "Row", "Untried", "matrix"]
