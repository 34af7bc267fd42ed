# Writes a database of places with MaxMind's own writer: countries.pl FILE IP_VERSION RECORD_SIZE
#
# Entries are those of a database of cities: the country is one of several maps, and behind others that tell more.
use strict;
use warnings;
use MaxMind::DB::Writer::Tree;

my ( $file, $ip_version, $record_size ) = @ARGV;

my %types = (
    city               => 'map',
    country            => 'map',
    geoname_id         => 'uint32',
    is_in_union        => 'boolean',
    iso_code           => 'utf8_string',
    latitude           => 'double',
    location           => 'map',
    names              => 'map',
    registered_country => 'map',
    subdivisions       => [ 'array', 'map' ],
    traits             => 'map',
);

my $tree = MaxMind::DB::Writer::Tree->new(
    ip_version               => $ip_version,
    record_size              => $record_size,
    database_type            => 'Test-City',
    languages                => [ 'de', 'en' ],
    description              => { en => 'Places of a test' },
    remove_reserved_networks => 0,
    alias_ipv6_to_ipv4       => $ip_version == 6 ? 1 : 0,
    map_key_type_callback    => sub { $types{ $_[0] } // 'utf8_string' },
);

sub place {
    my ( $code, $registered, $number ) = @_;
    return {
        city               => { geoname_id => $number, names => { de => "Stadt $number", en => "City $number" } },
        country            => { geoname_id => 1, is_in_union => 1, iso_code => $code, names => { en => "Land of $code" } },
        location           => { latitude => 47.5 + $number / 1000 },
        registered_country => { geoname_id => 2, iso_code => $registered },
        subdivisions       => [ { geoname_id => 3, iso_code => 'W' } ],
    };
}

# One inside of another, registered elsewhere than it is.
$tree->insert_network( '198.51.100.0/24', place( 'AT', 'US', 1 ) );
$tree->insert_network( '198.51.100.128/25', place( 'CH', 'US', 2 ) );
$tree->insert_network( '198.51.100.255/32', place( 'LI', 'US', 3 ) );
# What says only where it is registered is in no known country.
$tree->insert_network( '203.0.113.0/24', { registered_country => { iso_code => 'DE' }, traits => {} } );
# So many that records and pointers are of all lengths.
for my $third ( 0 .. 255 ) {
    for my $quarter ( 0, 64, 128, 192 ) {
        $tree->insert_network( "10.20.$third.$quarter/26", place( $third % 2 ? 'FR' : 'IT', 'US', $third * 256 + $quarter ) );
    }
}
if ( $ip_version == 6 ) {
    $tree->insert_network( '2001:db8::/32',       place( 'AT', 'US', 4 ) );
    $tree->insert_network( '2001:db8:8000::/33',  place( 'CH', 'US', 5 ) );
    $tree->insert_network( '2001:db8::1/128',     place( 'LI', 'US', 6 ) );
}

open my $out, '>:raw', $file or die "cannot write $file: $!";
$tree->write_tree($out);
close $out or die "cannot write $file: $!";
