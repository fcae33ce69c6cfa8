-- wrk -s pipeline.lua URL -- DEPTH: DEPTH requests in each write (default 16).
init = function(args)
    local depth = tonumber(args[1]) or 16
    local batch = {}
    for i = 1, depth do
        batch[i] = wrk.format()
    end
    requests = table.concat(batch)
end

request = function()
    return requests
end
