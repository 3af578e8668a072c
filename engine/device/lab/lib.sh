# For commands that run on the lab's hosts: `. "$LAB_DIR/lib.sh"`.
#   LAB_HOST  this host: 1 or 2          LAB_PEER   the other one
#   LAB_RAILS how many rails there are   LAB_SHARE  a folder that both see, empty at first

# Waits until both hosts have come to the point of that name.
meet() {
    local name=$1 patience=${2:-600}
    touch "$LAB_SHARE/at.$name.$LAB_HOST"
    until [ -e "$LAB_SHARE/at.$name.$LAB_PEER" ]; do
        sleep 0.1
        ((patience -= 1)) || { echo "the other host did not come to '$name'" >&2; return 1; }
    done
}

# Makes the network worse in what this host sends: netem's own words, such as `loss 1%`.
worsen() {
    local rail
    for ((rail = 0; rail < LAB_RAILS; rail++)); do
        tc qdisc replace dev "eth$rail" root netem limit 100000 "$@"
    done
}

heal() {
    local rail
    for ((rail = 0; rail < LAB_RAILS; rail++)); do
        tc qdisc delete dev "eth$rail" root 2>/dev/null || true
    done
}

# Makes a rail of that number out of its NIC, which is there, or soon will be.
add_rail() {
    local rail=$1 patience=100
    until [ -e "/sys/class/net/eth$rail" ] || ! ((patience -= 1)); do
        sleep 0.1
    done
    ip link set "eth$rail" mtu "$LAB_MTU" up
    ip address add "10.0.$rail.$LAB_HOST/24" dev "eth$rail"
    rdma link add "rxe$rail" type rxe netdev "eth$rail"
}

# The rails, as usrd takes them.
rails() {
    seq -s, -f 'rxe%g' 0 $((LAB_RAILS - 1))
}

# The host of that number.
address() {
    echo "10.0.0.$1"
}
