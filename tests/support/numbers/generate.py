#!/usr/bin/env python3
"""Writes examples.txt: every example number that libphonenumber has, and what it says of it.

    pip install phonenumbers==9.0.43 && python3 tests/support/numbers/generate.py > tests/support/numbers/examples.txt

One line for each region and type, fields divided by a bar:

    region that has the example | E.164 digits | type in that region | region and type that the library names |
    national spelling | international spelling

This is the referee for `src/number/`, and so it knows the Python port of the library alone, no table of ours.
"""
import sys

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat
from phonenumbers.phonemetadata import PhoneMetadata

TYPES = "fixed_line mobile toll_free premium_rate shared_cost voip personal_number pager uan voicemail".split()
NAMES = {value: name.lower().replace("_", "-") for name, value in vars(phonenumbers.PhoneNumberType).items() if name[0].isupper()}


def examples():
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        yield region, PhoneMetadata.metadata_for_region(region)
    for code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        if regions == ("001",):
            yield "001", PhoneMetadata.metadata_for_nongeo_region(code)


def main():
    sys.stdout.write(f"# libphonenumber {phonenumbers.__version__}; made by generate.py beside this file\n")
    for region, metadata in examples():
        seen = set()
        for kind in TYPES:
            desc = getattr(metadata, kind)
            if desc is None or not desc.example_number or desc.example_number in seen:
                continue
            seen.add(desc.example_number)
            # the example is the national number as it stands after the calling code
            number = phonenumbers.parse(f"+{metadata.country_code}{desc.example_number}")
            e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            if e164 != f"+{metadata.country_code}{desc.example_number}":
                sys.exit(f"{e164} isn't the example {desc.example_number} of {region}")
            here = phonenumbers.phonenumberutil._number_type_helper(desc.example_number, metadata)
            fields = [
                region,
                e164.removeprefix("+"),
                NAMES[here],
                phonenumbers.region_code_for_number(number) or "-",
                NAMES[phonenumbers.number_type(number)],
                phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
                phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
            ]
            sys.stdout.write("|".join(fields) + "\n")


main()
