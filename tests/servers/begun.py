"""What runs while a `with` lasts, and is ended where it can't begin."""

from typing import Self


class Begun:
    """A context manager of something that begins and is closed."""

    def begin(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
